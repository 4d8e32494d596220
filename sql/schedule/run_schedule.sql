-- Runs what is due, one entry after the other, with a commit after each; whoever calls it.

CREATE OR REPLACE PROCEDURE recommender.run_schedule(
    INOUT run_count integer DEFAULT 0,
    INOUT next_seconds double precision DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
DECLARE
    v_name text;
BEGIN
    run_count := 0;
    FOREACH v_name IN ARRAY ARRAY(
        SELECT d.name FROM recommender.schedule_defaults AS d ORDER BY d.place
    ) LOOP
        IF recommender._run_schedule_entry(v_name) THEN
            run_count := run_count + 1;
        END IF;
        COMMIT;
    END LOOP;
    next_seconds := (
        SELECT extract(EPOCH FROM min(s.next_run_at) - recommender.as_of())
        FROM recommender.schedule AS s
    );
END;
$$;

COMMENT ON PROCEDURE recommender.run_schedule(integer, double precision) IS  -- noqa: LT01
'Runs every enabled entry of recommender.schedule whose latest occurrence has not been run, in its order; called once a minute by pg_cron, by workers, or by both, each occurrence is run once. After downtime an entry is run once, whatever it missed. What an entry raises is in its row of schedule_runs, and does not stop the others. Gives run_count, how many were run, and next_seconds, how long until the next occurrence (NULL: everything is disabled). Must be called outside a transaction block.';
