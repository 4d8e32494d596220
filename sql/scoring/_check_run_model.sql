-- Refuses to go on with a run whose model no longer scores.

CREATE OR REPLACE FUNCTION recommender._check_run_model(p_run public.recommendation_runs)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_model_version text := (recommender.current_model()).model_version;
BEGIN
    IF v_model_version <> p_run.model_version THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER031',
            MESSAGE = format(
                'run %s was writing lists of model "%s", but "%s" scores now',
                p_run.id, p_run.model_version, v_model_version
            ),
            HINT = 'start a new run';
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._check_run_model(public.recommendation_runs) IS
'Raises ER031 when recommender.current_model() is not the run''s model.';
