-- Runs what is due, one job after the other, with a commit after each step: all that pg_cron needs.

CREATE OR REPLACE PROCEDURE recommender.run_jobs(
    p_limit integer DEFAULT 100,
    p_worker text DEFAULT NULL,
    p_lanes text[] DEFAULT ARRAY['refresh', 'batch'],
    INOUT job_count integer DEFAULT 0,
    INOUT next_seconds double precision DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
DECLARE
    v_worker text := coalesce(p_worker, 'session ' || pg_backend_pid());
    v_lanes text[] := ARRAY(
        SELECT l.lane FROM unnest(p_lanes) AS l (lane) WHERE l.lane IN ('refresh', 'batch')
    );
    v_job public.background_jobs;
    v_has_ended boolean;
BEGIN
    IF NOT (SELECT p.queue_enabled FROM recommender.parameters AS p) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER040',
            MESSAGE = 'the queue is off: TASK_QUEUE_ENABLED is false',
            HINT = 'switch it on: INSERT INTO recommender_settings (name, value) '
                'VALUES (''task_queue_enabled'', ''true'')';
    END IF;
    PERFORM recommender.requeue_stale_jobs();
    COMMIT;
    job_count := 0;
    WHILE job_count < p_limit LOOP
        v_job := recommender.claim_job(v_worker, v_lanes);
        COMMIT;
        EXIT WHEN v_job.id IS NULL;
        LOOP
            v_has_ended := recommender._step_job(v_job.id, v_worker, v_job.attempts);
            COMMIT;
            EXIT WHEN v_has_ended;
        END LOOP;
        job_count := job_count + 1;
    END LOOP;
    next_seconds := recommender._seconds_to_next_job(v_lanes);
END;
$$;

COMMENT ON PROCEDURE recommender.run_jobs(  -- noqa: LT01
    integer, text, text[], integer, double precision  -- noqa: LT01
) IS
'Hands stale jobs back, then claims and runs due jobs of the lanes refresh and batch for p_worker (NULL: this session), at most p_limit, any number of callers at once. Gives job_count, how many it ran, and next_seconds, how long until another is due (negative: one is due but locked or beyond the limit; NULL: none). A job that raises is noted in its row and does not stop the others. Must be called outside a transaction block. Raises ER040 while TASK_QUEUE_ENABLED is false.';
