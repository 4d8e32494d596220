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
    v_job public.background_jobs;
    v_has_ended boolean;
BEGIN
    IF p_limit >= 1 IS NOT TRUE OR p_lanes <@ ARRAY['refresh', 'batch'] IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER042',
            MESSAGE = format(
                'run_jobs cannot run %s jobs of the lanes %s',
                coalesce(p_limit::text, 'NULL'), coalesce(p_lanes::text, 'NULL')
            ),
            HINT = 'give a p_limit of at least 1 and lanes of {refresh,batch}; '
                'training needs python -m app.worker';
    END IF;
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
        v_job := recommender.claim_job(v_worker, p_lanes);
        COMMIT;
        EXIT WHEN v_job.id IS NULL;
        LOOP
            v_has_ended := recommender._step_job(v_job.id, v_worker, v_job.attempts);
            COMMIT;
            EXIT WHEN v_has_ended;
        END LOOP;
        job_count := job_count + 1;
    END LOOP;
    next_seconds := recommender._seconds_to_next_job(p_lanes);
END;
$$;

COMMENT ON PROCEDURE recommender.run_jobs(  -- noqa: LT01
    integer, text, text[], integer, double precision  -- noqa: LT01
) IS
'Hands stale jobs back, then claims and runs due jobs of the lanes refresh and batch for p_worker (NULL: this session), at most p_limit, any number of callers at once. Gives job_count, how many it ran, and next_seconds, how long until another is due (negative: one is due but locked or beyond the limit; NULL: none). A job that raises is noted in its row and does not stop the others. Must be called outside a transaction block. Raises ER040 while TASK_QUEUE_ENABLED is false, ER042 for a limit below 1 or another lane.';
