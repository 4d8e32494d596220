-- Shows that the worker of a job is alive.

CREATE OR REPLACE FUNCTION recommender.heartbeat_job(
    p_job_id bigint, p_worker text, p_attempt integer
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    UPDATE public.background_jobs AS j SET locked_at = clock_timestamp()
    WHERE
        j.id = p_job_id
        AND j.status = 'running'
        AND j.locked_by = p_worker
        AND j.attempts = p_attempt;
    RETURN FOUND;
END;
$$;

COMMENT ON FUNCTION recommender.heartbeat_job(bigint, text, integer) IS
'Moves locked_at of a claimed job to now. false: the claim (worker, attempt) was lost, and whatever the worker still does for the job is in vain.';
