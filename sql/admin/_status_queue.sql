-- The queue: what waits, runs and failed, and whether anybody is at it.

CREATE OR REPLACE FUNCTION recommender._status_queue()
RETURNS TABLE (item text, value text, warning text)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_moment timestamptz := recommender.as_of();
    v_queued record;
    v_running record;
    v_failed_count bigint;
BEGIN
    SELECT
        count(*) AS job_count,
        min(j.run_at) FILTER (WHERE j.run_at <= v_moment) AS oldest
    INTO v_queued
    FROM public.background_jobs AS j WHERE j.status = 'queued';
    SELECT
        count(*) AS job_count,
        count(*) FILTER (WHERE j.locked_at < v_moment - p.stale_after) AS silent_count
    INTO v_running
    FROM public.background_jobs AS j
    CROSS JOIN (
        SELECT q.stale_after_seconds * interval '1 second' AS stale_after
        FROM recommender.parameters AS q
    ) AS p
    WHERE j.status = 'running';
    SELECT count(*) INTO v_failed_count
    FROM public.background_jobs AS j WHERE j.status = 'failed';
    RETURN QUERY VALUES
    (
        'queued',
        v_queued.job_count || coalesce(
            ', the oldest is due for ' || recommender._age_text(v_moment - v_queued.oldest), ''
        ),
        CASE
            WHEN v_queued.job_count > 0 AND recommender._switch('task_queue_enabled') IS FALSE
                THEN 'nobody runs jobs: TASK_QUEUE_ENABLED is false'
            WHEN v_queued.oldest < v_moment - interval '5 minutes'
                THEN 'jobs are waiting: see that a worker runs, python -m app.worker'
        END
    ),
    (
        'running',
        v_running.job_count::text,
        CASE WHEN v_running.silent_count > 0
            THEN recommender._count_text(v_running.silent_count, 'worker is', 'workers are')
                || ' silent: SELECT recommender.requeue_stale_jobs()'
        END
    ),
    (
        'failed',
        v_failed_count::text,
        CASE WHEN v_failed_count > 0
            THEN recommender._count_text(v_failed_count, 'job has', 'jobs have')
                || ' failed: SELECT * FROM recommender.queue says why'
        END
    );
END;
$$;

COMMENT ON FUNCTION recommender._status_queue() IS
'The rows of recommender.status on the jobs. Raises ER002 while a setting of the queue is not valid.';
