-- One row is one job that somebody may want to look at, and what there is to do about it.

CREATE OR REPLACE VIEW recommender.queue AS
SELECT
    j.id,
    j.job_type,
    j.status,
    j.payload,
    CASE WHEN j.status = 'queued' AND j.run_at > t.moment THEN j.run_at - t.moment END AS due_in,
    CASE WHEN j.status = 'queued' THEN t.moment - j.created_at END AS waiting_for,
    CASE WHEN j.status = 'running' THEN t.moment - j.locked_at END AS silent_for,
    j.attempts,
    j.max_attempts,
    j.locked_by AS worker,
    j.last_error,
    CASE
        WHEN j.status = 'succeeded' THEN 'nothing: it is done'
        WHEN t.lane IS NULL THEN 'nothing here: it is a job of the app''s own'
        WHEN j.status = 'failed'
            THEN format('read last_error, mend that, then: SELECT recommender.retry_job(%s)', j.id)
        WHEN j.status = 'running' AND t.moment - j.locked_at > t.stale_after
            THEN 'its worker is silent; hand it to another: SELECT recommender.requeue_stale_jobs()'
        WHEN j.status = 'running' THEN 'nothing: it runs'
        WHEN NOT t.is_enabled
            THEN 'switch the queue on: TASK_QUEUE_ENABLED is false, nobody runs jobs'
        WHEN j.run_at > t.moment THEN 'nothing: it is not due yet'
        WHEN recommender._is_job_blocked(j.job_type, j.dedupe_key)
            THEN 'nothing: it waits for one that does the same'
        WHEN t.moment - j.run_at < interval '1 minute' THEN 'nothing: it is due'
        WHEN t.lane = 'training'
            THEN 'see that a worker runs, training needs one: python -m app.worker'
        ELSE 'see that a worker runs (python -m app.worker), or: CALL recommender.run_jobs()'
    END AS what_to_do
FROM (
    -- Apart, so that each reads an index of its own: those that succeeded are many.
    SELECT q.*
    FROM public.background_jobs AS q
    WHERE q.status = 'queued'
    UNION ALL
    SELECT r.*
    FROM public.background_jobs AS r
    WHERE r.status = 'running'
    UNION ALL
    SELECT f.*
    FROM public.background_jobs AS f
    WHERE f.status = 'failed'
    UNION ALL
    SELECT s.*
    FROM public.background_jobs AS s
    WHERE
        s.status = 'succeeded'
        AND s.finished_at > (SELECT recommender.as_of() - interval '1 hour')
) AS j
CROSS JOIN LATERAL (
    SELECT
        (SELECT recommender.as_of()) AS moment,
        recommender._job_lane(j.job_type, j.payload) AS lane,
        (SELECT p.queue_enabled FROM recommender.parameters AS p) AS is_enabled,
        (
            SELECT p.stale_after_seconds * interval '1 second' FROM recommender.parameters AS p
        ) AS stale_after
) AS t
ORDER BY
    CASE j.status WHEN 'running' THEN 1 WHEN 'queued' THEN 2 WHEN 'failed' THEN 3 ELSE 4 END ASC,
    CASE WHEN j.status IN ('running', 'queued') THEN j.run_at END ASC,
    j.finished_at DESC,
    j.id ASC;

COMMENT ON VIEW recommender.queue IS
'One row is one job that runs, waits or has failed, or that succeeded in the last hour; in this order, and those that wait in the order in which they are due. due_in is how long until a waiting job may start (NULL: it is due), waiting_for how long it has been queued, silent_for how long ago the worker of a running one last showed that it is alive, each at recommender.as_of() and NULL for other jobs. worker is who runs it, max_attempts after how many attempts it has failed, what_to_do says in plain words whether there is anything to do. Raises ER002 while a setting of the queue is not valid.';
