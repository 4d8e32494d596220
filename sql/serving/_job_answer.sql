-- A job as the API shows it.

CREATE OR REPLACE FUNCTION recommender._job_answer(p_job public.background_jobs)
RETURNS json
LANGUAGE sql
IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN (p_job).id IS NOT NULL THEN json_build_object(
        'job_id', (p_job).id, 'job_type', (p_job).job_type, 'status', (p_job).status
    ) END;
END;

COMMENT ON FUNCTION recommender._job_answer(public.background_jobs) IS
'job_id, job_type and status of a job; NULL of none.';
