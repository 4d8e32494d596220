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
            AND CASE p_job_type
                WHEN 'refresh_user_recommendations_ml' THEN
                    r.job_type = p_job_type AND r.dedupe_key = p_dedupe_key
                -- While everybody's lists are written, there is no telling what has changed since.
                WHEN 'rescore_changed' THEN
                    r.job_type = p_job_type
                    OR r.job_type = 'recompute_recommendations_ml'
                    AND r.payload -> 'skip_training' = 'true'
                ELSE r.job_type = p_job_type
            END
    ), false);
END;

COMMENT ON FUNCTION recommender._is_job_blocked(text, text) IS
'Whether a refresh of the same student, or any other job of the same type, is running; rescore_changed also waits for a running rescore of everybody.';
