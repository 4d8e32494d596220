-- Gives a failed job another chance, with all its attempts.

CREATE OR REPLACE FUNCTION recommender.retry_job(p_job_id bigint)
RETURNS public.background_jobs
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_job public.background_jobs;
BEGIN
    SELECT j.* INTO v_job FROM public.background_jobs AS j WHERE j.id = p_job_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER043',
            MESSAGE = format('there is no job %s', coalesce(p_job_id::text, 'NULL')),
            HINT = 'SELECT id, job_type, last_error FROM background_jobs WHERE status = ''failed''';
    ELSIF recommender._job_lane(v_job.job_type, v_job.payload) IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER041',
            MESSAGE = format(
                'job %s is of type %s, which is not the recommender''s', p_job_id, v_job.job_type
            ),
            HINT = 'whoever queued it has to retry it';
    ELSIF v_job.status <> 'failed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER044',
            MESSAGE = format('job %s is %s, not failed', p_job_id, v_job.status),
            HINT = 'enqueue a new one with recommender.enqueue_job';
    END IF;
    -- A rescore that went on where it was would write lists of the moment it failed.
    UPDATE public.background_jobs AS j SET result = NULL WHERE j.id = p_job_id;
    RETURN recommender._requeue_job(v_job, now(), 0, NULL);
END;
$$;

COMMENT ON FUNCTION recommender.retry_job(bigint) IS
'Queues a failed job again, to start over now with no attempts behind it, and returns its row; if a job of the same meaning is queued, it is merged into that one and has succeeded, with its id in result (merged_into). Raises ER041 for a job of the app''s own, ER043 for an unknown job, ER044 for one that has not failed.';
