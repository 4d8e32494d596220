-- One step of a claimed job and its bookkeeping, in one transaction: both or neither.

CREATE OR REPLACE FUNCTION recommender._step_job(
    p_job_id bigint, p_worker text, p_attempt integer
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_job public.background_jobs;
    v_progress jsonb;
    v_hint text;
    v_error text;
BEGIN
    IF NOT recommender.hold_job(p_job_id, p_worker, p_attempt) THEN
        RETURN true;
    END IF;
    SELECT j.* INTO v_job FROM public.background_jobs AS j WHERE j.id = p_job_id;
    BEGIN
        v_progress := recommender._run_step(v_job);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_hint = PG_EXCEPTION_HINT;
        v_error := concat_ws('; ', SQLSTATE || ': ' || SQLERRM, nullif(v_hint, ''));
        -- What our own functions refuse, they will refuse again; but a model may change in between.
        PERFORM recommender.fail_job(
            p_job_id, p_worker, p_attempt, v_error, SQLSTATE LIKE 'ER%' AND SQLSTATE <> 'ER031'
        );
    END;
    IF v_error IS NULL AND NOT v_progress @> '{"is_done": true}' THEN
        UPDATE public.background_jobs AS j SET
            result = v_progress,
            locked_at = clock_timestamp()
        WHERE j.id = p_job_id;
        RETURN false;
    ELSIF v_error IS NULL THEN
        PERFORM recommender.finish_job(p_job_id, p_worker, p_attempt, v_progress - 'is_done');
    END IF;
    -- The worker logs it.
    RAISE DEBUG USING MESSAGE = 'job ended', DETAIL = json_build_object(
        'job_id', p_job_id, 'job_type', v_job.job_type, 'attempt', p_attempt, 'error', v_error,
        'status', (SELECT j.status FROM public.background_jobs AS j WHERE j.id = p_job_id)
    );
    RETURN true;
END;
$$;

COMMENT ON FUNCTION recommender._step_job(bigint, text, integer) IS
'Does the next step of a claimed job and notes how far it is, that it has ended, or its error. true: this claim has nothing more to do.';
