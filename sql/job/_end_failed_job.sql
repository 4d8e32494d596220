-- Ends a job for good: it has failed, and stays to be seen.

CREATE OR REPLACE FUNCTION recommender._end_failed_job(p_job_id bigint, p_error text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    UPDATE public.background_jobs AS j SET
        status = 'failed',
        last_error = p_error,
        locked_at = NULL,
        locked_by = NULL,
        finished_at = clock_timestamp()
    WHERE j.id = p_job_id;
END;
$$;

COMMENT ON FUNCTION recommender._end_failed_job(bigint, text) IS
'Marks a job as failed with its error, whoever has it; the caller holds its row.';
