-- Makes the monthly partitions of event_interactions that a range of days needs.
--
-- With its owner's rights, since only who owns a table may give it partitions; with public in the
-- path for the sake of the app's own triggers.

CREATE OR REPLACE FUNCTION recommender.create_interaction_partitions(p_from date, p_to date)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    v_month date;
    v_created integer := 0;
    v_patience text := current_setting('lock_timeout');
BEGIN
    IF coalesce(
        NOT p_from BETWEEN date '0001-01-01' AND date '9999-12-31'
        OR NOT p_to BETWEEN p_from AND least(p_from + 36600, date '9999-12-31'),
        true
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = format(
                'there are no months from %s to %s',
                coalesce(p_from::text, 'NULL'), coalesce(p_to::text, 'NULL')
            ),
            HINT = 'give a first and a last day of the years 1 to 9999, at most a hundred years apart';
    END IF;
    -- Nothing to make, nothing to lock: an app's own table is left as it is.
    IF NOT EXISTS (SELECT FROM recommender._months_without_partition(p_from, p_to)) THEN
        RETURN 0;
    END IF;
    -- Telemetry waits behind this, so this does not wait for long.
    IF v_patience = '0' THEN
        PERFORM set_config('lock_timeout', '2s', true);
    END IF;
    LOCK TABLE public.event_interactions IN SHARE ROW EXCLUSIVE MODE;
    FOR v_month IN SELECT m FROM recommender._months_without_partition(p_from, p_to) AS m LOOP
        PERFORM recommender._create_interaction_partition(
            'event_interactions_' || to_char(v_month::timestamp, 'YYYY_MM'), v_month
        );
        v_created := v_created + 1;
    END LOOP;
    PERFORM set_config('lock_timeout', v_patience, true);
    RETURN v_created;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION USING
        ERRCODE = 'ER045',
        MESSAGE = 'event_interactions is in use, and no partition was made',
        HINT = 'pg_stat_activity shows who has been at it for long; call again after that, or set '
            'lock_timeout to wait for longer';
END;
$$;

REVOKE ALL ON FUNCTION recommender.create_interaction_partitions(date, date) FROM public;

COMMENT ON FUNCTION recommender.create_interaction_partitions(date, date) IS
'Makes the missing monthly (UTC) partitions of event_interactions from the month of p_from to the month of p_to, moving rows out of the default partition, and returns how many it made; 0 where the table is not partitioned by ranges of occurred_at. A month that partitions of other bounds hold in part is left alone. Writers of telemetry wait meanwhile, so where somebody else has the table for more than 2 seconds (or the session''s lock_timeout) it gives up. Runs as its owner, for recommender_worker and recommender_admin besides. Raises ER003 for a range that is not one, ER045 for a table in use.';
