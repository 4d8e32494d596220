-- POST /api/admin/personalization/jobs/{id}/retry: another chance for a failed job.

CREATE OR REPLACE FUNCTION recommender.request_job_retry(p_user_id integer, p_job_id bigint)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
ROWS 1
AS $$
DECLARE
    v_job public.background_jobs;
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, true) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    BEGIN
        v_job := recommender.retry_job(p_job_id);
    EXCEPTION
        WHEN SQLSTATE 'ER043' THEN
            RETURN QUERY SELECT
                404, NULL::json,
                recommender._problem(404, 'Not Found', 'there is no job with this id');
            RETURN;
        WHEN SQLSTATE 'ER041' OR SQLSTATE 'ER044' THEN
            RETURN QUERY SELECT
                409, NULL::json, recommender._problem(409, 'Conflict', SQLERRM);
            RETURN;
    END;
    RETURN QUERY SELECT
        200, NULL::json,
        json_build_object(
            'job_id', v_job.id,
            'job_type', v_job.job_type,
            'status', v_job.status,
            'merged_into', v_job.result -> 'merged_into'
        );
END;
$$;

COMMENT ON FUNCTION recommender.request_job_retry(integer, bigint) IS
'The answer of POST /api/admin/personalization/jobs/{id}/retry for an account (NULL: no token): 200 with job_id, job_type, status (queued, or succeeded where one of the same meaning was queued already) and merged_into (that one''s id; null: none), else 401, 403, 404 for an unknown job or NULL, 409 for one that has not failed, is the app''s own, or while the queue is off. One row.';
