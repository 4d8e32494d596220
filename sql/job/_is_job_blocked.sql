-- Whether a job has to wait for one that runs.

CREATE OR REPLACE FUNCTION recommender._is_job_blocked(p_job_type text, p_dedupe_key text)
RETURNS boolean
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT coalesce((
        SELECT bool_or(true)
        FROM public.background_jobs AS r
        WHERE
            r.status = 'running'
            AND r.job_type = p_job_type
            AND (
                r.job_type <> 'refresh_user_recommendations_ml' OR r.dedupe_key = p_dedupe_key
            )
    ), false);
END;

COMMENT ON FUNCTION recommender._is_job_blocked(text, text) IS
'Whether a refresh of the same student, or any other job of the same type, is running.';
