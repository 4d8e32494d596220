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
BEGIN
    IF p_from IS NULL OR p_to IS NULL OR p_to < p_from OR p_to - p_from > 36600 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = format('there are no months from %s to %s', p_from, p_to),
            HINT = 'give a first and a last day, at most a hundred years apart';
    END IF;
    -- Nothing to make, nothing to lock: an app's own table is left as it is.
    IF NOT EXISTS (SELECT FROM recommender._months_without_partition(p_from, p_to)) THEN
        RETURN 0;
    END IF;
    LOCK TABLE public.event_interactions IN SHARE ROW EXCLUSIVE MODE;
    FOR v_month IN SELECT m FROM recommender._months_without_partition(p_from, p_to) AS m LOOP
        PERFORM recommender._create_interaction_partition(
            'event_interactions_' || to_char(v_month, 'YYYY_MM'), v_month
        );
        v_created := v_created + 1;
    END LOOP;
    RETURN v_created;
END;
$$;

REVOKE ALL ON FUNCTION recommender.create_interaction_partitions(date, date) FROM public;

COMMENT ON FUNCTION recommender.create_interaction_partitions(date, date) IS
'Makes the missing monthly (UTC) partitions of event_interactions from the month of p_from to the month of p_to, moving rows out of the default partition, and returns how many it made; 0 where the table is not partitioned by ranges of occurred_at. A month that partitions of other bounds hold in part is left alone. Writers of telemetry wait meanwhile. Runs as its owner, for recommender_worker and recommender_admin besides. Raises ER003 for a range that is not one.';
