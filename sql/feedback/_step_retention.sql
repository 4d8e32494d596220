-- Does the next step of retention; no lock is waited for long, so that nobody waits behind it.
--
-- With its owner's rights, since only who owns a table may give it partitions and take them away;
-- with public in the path for the sake of the app's own triggers.

CREATE OR REPLACE FUNCTION recommender._step_retention(p_progress jsonb)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '300ms'
AS $$
DECLARE
    v_progress jsonb;
BEGIN
    CASE p_progress ->> 'stage'
        WHEN 'partitions' THEN
            v_progress := recommender._make_retention_partition(p_progress);
        WHEN 'interactions' THEN
            v_progress := recommender._retire_interactions(p_progress);
        ELSE
            v_progress := recommender._remove_expired(p_progress);
    END CASE;
    RETURN v_progress || '{"tries": 0}';
-- Somebody else has it, or removed a student or an event of it meanwhile.
EXCEPTION
    WHEN
        SQLSTATE 'ER045'
        OR lock_not_available
        OR deadlock_detected
        OR foreign_key_violation
    THEN
        RETURN p_progress || jsonb_build_object('tries', (p_progress ->> 'tries')::integer + 1);
END;
$$;

REVOKE ALL ON FUNCTION recommender._step_retention(jsonb) FROM public;

COMMENT ON FUNCTION recommender._step_retention(jsonb) IS
'What the stage of the progress has to do next. A lock that is not to be had in 0.3 s leaves everything as it was, and tries one higher. Runs as its owner; not for PUBLIC.';
