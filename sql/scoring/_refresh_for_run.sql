-- Builds the twins for the moment of a run.

CREATE OR REPLACE FUNCTION recommender._refresh_for_run(p_run_id bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_as_of timestamptz := (
        SELECT r.as_of FROM public.recommendation_runs AS r WHERE r.id = p_run_id
    );
    v_previous text := current_setting('recommender.as_of', true);
BEGIN
    PERFORM recommender._set_as_of(v_as_of);
    PERFORM recommender.refresh_features();
    PERFORM set_config('recommender.as_of', coalesce(v_previous, ''), true);
END;
$$;

COMMENT ON FUNCTION recommender._refresh_for_run(bigint) IS
'recommender.refresh_features() for the run''s moment.';
