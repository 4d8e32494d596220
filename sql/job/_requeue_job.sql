-- Puts a job that ran back into the queue; if one of the same meaning is there, that one is enough.

CREATE OR REPLACE FUNCTION recommender._requeue_job(
    p_job public.background_jobs, p_run_at timestamptz, p_attempts integer, p_error text
)
RETURNS public.background_jobs
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_job public.background_jobs;
BEGIN
    UPDATE public.background_jobs AS j SET
        status = 'queued',
        attempts = p_attempts,
        run_at = p_run_at,
        last_error = coalesce(p_error, j.last_error),
        locked_at = NULL,
        locked_by = NULL,
        finished_at = NULL
    WHERE j.id = p_job.id
    RETURNING * INTO v_job;
    IF v_job.run_at <= now() THEN
        PERFORM pg_notify('recommender_jobs', v_job.job_type);
    END IF;
    RETURN v_job;
EXCEPTION WHEN unique_violation THEN
    -- Merged: the queued one runs no later than this one would have, with the longer list.
    v_job := recommender.enqueue_job(
        p_job.job_type, p_job.payload, p_job.dedupe_key, p_run_at
    );
    -- Nothing is lost, so it needs nobody's attention.
    UPDATE public.background_jobs AS j SET
        status = 'succeeded',
        attempts = p_attempts,
        last_error = p_error,
        result = jsonb_build_object('merged_into', v_job.id),
        locked_at = NULL,
        locked_by = NULL,
        finished_at = clock_timestamp()
    WHERE j.id = p_job.id
    RETURNING * INTO v_job;
    RETURN v_job;
END;
$$;

COMMENT ON FUNCTION recommender._requeue_job(
    public.background_jobs, timestamptz, integer, text
) IS
'Makes a job queued again, to run from p_run_at on with so many attempts behind it, and returns its row. If a job of the same meaning was queued meanwhile, the two are merged into that one: this one has succeeded with its id in result (merged_into), and keeps p_error.';
