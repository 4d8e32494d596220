-- Says whether a claim still stands, and keeps it until the transaction ends.

CREATE OR REPLACE FUNCTION recommender.hold_job(
    p_job_id bigint, p_worker text, p_attempt integer
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    PERFORM FROM public.background_jobs AS j
    WHERE
        j.id = p_job_id
        AND j.status = 'running'
        AND j.locked_by = p_worker
        AND j.attempts = p_attempt
    FOR UPDATE;
    RETURN FOUND;
END;
$$;

COMMENT ON FUNCTION recommender.hold_job(bigint, text, integer) IS
'Locks the job''s row until the end of the transaction if the claim (worker, attempt) still stands, and says whether it does. What is done in that transaction is done once: the sweep leaves the job alone meanwhile.';
