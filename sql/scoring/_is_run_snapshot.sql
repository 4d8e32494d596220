-- Whether the twins are of a run's moment and hold what its model needs.

CREATE OR REPLACE FUNCTION recommender._is_run_snapshot(p_run public.recommendation_runs)
RETURNS boolean
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN EXISTS (
        SELECT
        FROM recommender.snapshot_moment AS s
        WHERE
            s.as_of = p_run.as_of
            AND (s.is_extended OR (
                SELECT recommender.feature_set(m.feature_names) = 'base'
                FROM public.recommender_models AS m
                WHERE m.model_version = p_run.model_version
            ))
    );
END;
$$;

COMMENT ON FUNCTION recommender._is_run_snapshot(public.recommendation_runs) IS
'Whether the stored twins were built for the run''s moment, with the extended features if its model has them.';
