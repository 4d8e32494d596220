-- Takes up the run that was interrupted.

CREATE OR REPLACE FUNCTION recommender._resume_run(p_model_version text)
RETURNS public.recommendation_runs
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_run public.recommendation_runs;
BEGIN
    SELECT r.* INTO v_run FROM public.recommendation_runs AS r ORDER BY r.id DESC LIMIT 1;
    IF v_run.id IS NULL OR v_run.finished_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER032',
            MESSAGE = 'there is no interrupted run to resume',
            HINT = 'start a new one, without --resume (p_resume)';
    ELSIF v_run.model_version <> p_model_version THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER031',
            MESSAGE = format(
                'run %s was writing lists of model "%s", but "%s" scores now',
                v_run.id, v_run.model_version, p_model_version
            ),
            HINT = 'start a new run, without --resume (p_resume)';
    END IF;
    RETURN v_run;
END;
$$;

COMMENT ON FUNCTION recommender._resume_run(text) IS
'The last run, which must be unfinished (ER032) and of the model of this version (ER031).';
