-- Makes the monthly partitions of event_interactions that a range of days needs.

CREATE OR REPLACE FUNCTION recommender.create_interaction_partitions(p_from date, p_to date)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_month date := date_trunc('month', p_from)::date;
    v_partition text;
    v_created integer := 0;
BEGIN
    IF p_from IS NULL OR p_to IS NULL OR p_to < p_from OR p_to - p_from > 36600 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = format('there are no months from %s to %s', p_from, p_to),
            HINT = 'give a first and a last day, at most a hundred years apart';
    END IF;
    -- An app's own table that is not partitioned is left as it is.
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_partitioned_table AS t
        WHERE t.partrelid = 'public.event_interactions'::regclass
    ) THEN
        RETURN 0;
    END IF;
    LOCK TABLE public.event_interactions IN SHARE ROW EXCLUSIVE MODE;
    WHILE v_month <= p_to LOOP
        v_partition := 'event_interactions_' || to_char(v_month, 'YYYY_MM');
        IF to_regclass(format('public.%I', v_partition)) IS NULL THEN
            PERFORM recommender._create_interaction_partition(v_partition, v_month);
            v_created := v_created + 1;
        END IF;
        v_month := (v_month + interval '1 month')::date;
    END LOOP;
    RETURN v_created;
END;
$$;

COMMENT ON FUNCTION recommender.create_interaction_partitions(date, date) IS
'Makes the missing monthly (UTC) partitions of event_interactions from the month of p_from to the month of p_to, moving rows out of the default partition, and returns how many it made; 0 where the table is not partitioned. Writers of telemetry wait meanwhile. Raises ER003 for a range that is not one.';
