-- Changes when an entry of the schedule is run, or whether it is.

CREATE OR REPLACE FUNCTION recommender.set_schedule(
    p_name text, p_cron text DEFAULT NULL, p_is_enabled boolean DEFAULT NULL
)
RETURNS TABLE (name text, cron text, is_enabled boolean, next_run_at timestamptz)
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_default record;
    v_before record;
BEGIN
    SELECT d.name, d.cron INTO v_default
    FROM recommender.schedule_defaults AS d WHERE d.name = p_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER052',
            MESSAGE = format(
                'the schedule has no entry %s', coalesce('"' || p_name || '"', 'NULL')
            ),
            HINT = 'SELECT name, description FROM recommender.schedule lists them';
    END IF;
    IF p_cron IS NOT NULL THEN
        PERFORM recommender._parse_cron(p_cron);
    END IF;
    PERFORM pg_advisory_xact_lock(recommender._lock_key('schedule'));
    SELECT s.cron, s.is_enabled INTO v_before FROM recommender.schedule AS s WHERE s.name = p_name;
    INSERT INTO public.recommender_schedule AS c (name, cron, is_enabled)
    VALUES (p_name, nullif(p_cron, v_default.cron), nullif(p_is_enabled, true))
    ON CONFLICT ON CONSTRAINT recommender_schedule_pkey DO UPDATE SET
        cron = CASE WHEN p_cron IS NULL THEN c.cron ELSE excluded.cron END,
        is_enabled = CASE WHEN p_is_enabled IS NULL THEN c.is_enabled ELSE excluded.is_enabled END;
    -- What is as it was goes on as it did, with what is due.
    IF EXISTS (
        SELECT
        FROM recommender.schedule AS s
        WHERE s.name = p_name AND (s.cron, s.is_enabled) <> (v_before.cron, v_before.is_enabled)
    ) THEN
        PERFORM recommender._start_schedule_entry(p_name);
    END IF;
    RETURN QUERY
    SELECT s.name, s.cron, s.is_enabled, s.next_run_at
    FROM recommender.schedule AS s
    WHERE s.name = p_name;
END;
$$;

COMMENT ON FUNCTION recommender.set_schedule(text, text, boolean) IS
'Gives an entry of recommender.schedule another cron expression, switches it on or off, or both, and returns it as it is now; NULL leaves things as they are. What was changed goes on with its next occurrence: what it missed before, or while it was off, is not made up for. Raises ER052 for an unknown entry, ER053 for an expression that is not valid.';
