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
BEGIN
    IF NOT recommender.hold_job(p_job_id, p_worker, p_attempt) THEN
        RETURN true;
    END IF;
    SELECT j.* INTO v_job FROM public.background_jobs AS j WHERE j.id = p_job_id;
    BEGIN
        v_progress := recommender._run_step(v_job);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_hint = PG_EXCEPTION_HINT;
        -- What our own functions refuse, they will refuse again; but a model may change in between.
        PERFORM recommender.fail_job(
            p_job_id, p_worker, p_attempt,
            concat_ws('; ', SQLSTATE || ': ' || SQLERRM, nullif(v_hint, '')),
            SQLSTATE LIKE 'ER%' AND SQLSTATE <> 'ER031'
        );
        RETURN true;
    END;
    IF v_progress @> '{"is_done": true}' THEN
        PERFORM recommender.finish_job(p_job_id, p_worker, p_attempt, v_progress - 'is_done');
        RETURN true;
    END IF;
    UPDATE public.background_jobs AS j SET
        result = v_progress,
        locked_at = clock_timestamp()
    WHERE j.id = p_job_id;
    RETURN false;
END;
$$;

COMMENT ON FUNCTION recommender._step_job(bigint, text, integer) IS
'Does the next step of a claimed job and notes how far it is, that it has ended, or its error. true: this claim has nothing more to do.';
