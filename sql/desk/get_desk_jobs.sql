-- GET /api/admin/personalization/jobs: the queue, and what runs by itself.

CREATE OR REPLACE FUNCTION recommender.get_desk_jobs(p_user_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
SET jit = 'off'
AS $$
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, false) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object(
            'queue_enabled', recommender._switch('task_queue_enabled'),
            'jobs', (
                SELECT coalesce(
                    json_agg(
                        json_build_object(
                            'id', q.id,
                            'job_type', q.job_type,
                            'status', q.status,
                            'can_retry',
                            q.status = 'failed'
                            AND recommender._job_lane(q.job_type, q.payload) IS NOT NULL,
                            'payload', q.payload,
                            'due_in_seconds', date_part('epoch', q.due_in),
                            'waiting_for_seconds', date_part('epoch', q.waiting_for),
                            'silent_for_seconds', date_part('epoch', q.silent_for),
                            'attempts', q.attempts,
                            'max_attempts', q.max_attempts,
                            'worker', q.worker,
                            'last_error', q.last_error,
                            'what_to_do', q.what_to_do,
                            'created_at', j.created_at,
                            'finished_at', j.finished_at,
                            'result', j.result
                        )
                        ORDER BY q.place
                    ),
                    '[]'
                )
                FROM (
                    SELECT
                        v.*,
                        row_number() OVER () AS place
                    FROM recommender.queue AS v
                    LIMIT 200
                ) AS q
                INNER JOIN public.background_jobs AS j ON j.id = q.id
            ),
            'schedule', (
                SELECT coalesce(json_agg(s), '[]') FROM recommender.schedule AS s
            )
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_desk_jobs(integer) IS
'The answer of GET /api/admin/personalization/jobs for an account (NULL: no token): 200 with queue_enabled (null: its setting is not valid), jobs (the first 200 rows of recommender.queue in its order, with intervals in seconds, created_at, finished_at and result, and can_retry, whether recommender.retry_job would take it) and schedule (the rows of recommender.schedule in its order); else 401 or 403. Raises ER002 while a setting of the queue is not valid. One row.';
