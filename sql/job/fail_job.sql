-- Ends an attempt that failed: the job is tried again later, or has failed for good.

CREATE OR REPLACE FUNCTION recommender.fail_job(
    p_job_id bigint,
    p_worker text,
    p_attempt integer,
    p_error text,
    p_is_final boolean DEFAULT false
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_job public.background_jobs;
BEGIN
    IF NOT recommender.hold_job(p_job_id, p_worker, p_attempt) THEN
        RETURN false;
    END IF;
    SELECT j.* INTO v_job FROM public.background_jobs AS j WHERE j.id = p_job_id;
    IF p_is_final OR v_job.attempts >= v_job.max_attempts THEN
        PERFORM recommender._end_failed_job(p_job_id, p_error);
    ELSE
        -- 4, 16, 64 seconds …, an hour at most.
        v_job := recommender._requeue_job(
            v_job,
            now() + least(3600, power(4, least(v_job.attempts, 10))) * interval '1 second',
            v_job.attempts,
            p_error
        );
    END IF;
    RETURN true;
END;
$$;

COMMENT ON FUNCTION recommender.fail_job(bigint, text, integer, text, boolean) IS
'Notes the error of a claimed job and queues it again in 4 ^ attempts seconds, at most an hour; after max_attempts, or with p_is_final, it has failed and stays to be seen. false: the claim (worker, attempt) was lost; nothing is changed.';
