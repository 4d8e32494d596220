-- Hands back what a worker that stops has not ended; the attempt does not count.

CREATE OR REPLACE FUNCTION recommender.release_jobs(p_worker text)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_job public.background_jobs;
    v_count integer := 0;
BEGIN
    FOR v_job IN
        SELECT j.* FROM public.background_jobs AS j
        WHERE
            j.status = 'running'
            AND j.locked_by = p_worker
            AND recommender._job_lane(j.job_type, j.payload) IS NOT NULL
        ORDER BY j.id
        FOR UPDATE
    LOOP
        PERFORM recommender._requeue_job(v_job, now(), greatest(v_job.attempts - 1, 0), NULL);
        v_count := v_count + 1;
    END LOOP;
    RETURN v_count;
END;
$$;

COMMENT ON FUNCTION recommender.release_jobs(text) IS
'Queues all jobs that run for a worker again, as if they had not been claimed, and returns how many; waits for those that are in the middle of a step.';
