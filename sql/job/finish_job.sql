-- Ends a job that succeeded.

CREATE OR REPLACE FUNCTION recommender.finish_job(
    p_job_id bigint, p_worker text, p_attempt integer, p_result jsonb DEFAULT NULL
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    UPDATE public.background_jobs AS j SET
        status = 'succeeded',
        result = p_result,
        last_error = NULL,
        locked_at = NULL,
        locked_by = NULL,
        finished_at = clock_timestamp()
    WHERE
        j.id = p_job_id
        AND j.status = 'running'
        AND j.locked_by = p_worker
        AND j.attempts = p_attempt;
    RETURN FOUND;
END;
$$;

COMMENT ON FUNCTION recommender.finish_job(bigint, text, integer, jsonb) IS
'Marks a claimed job succeeded with its result. false: the claim (worker, attempt) was lost; nothing is changed.';
