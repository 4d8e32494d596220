-- Opens a rescore of what changed since the last run of all students, or one of all students.

CREATE OR REPLACE FUNCTION recommender._start_changed_run(
    p_top_n integer DEFAULT NULL,
    p_as_of timestamptz DEFAULT NULL,
    p_overwrite boolean DEFAULT false
)
RETURNS public.recommendation_runs
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_as_of timestamptz := coalesce(p_as_of, recommender.as_of());
    v_model public.recommender_models := recommender.current_model();
    v_full public.recommendation_runs;
    v_top_n integer;
BEGIN
    -- Unfinished, it left some lists of before.
    SELECT r.* INTO v_full
    FROM public.recommendation_runs AS r WHERE r.is_full ORDER BY r.id DESC LIMIT 1;
    v_top_n := coalesce(
        p_top_n, v_full.top_n, (SELECT p.refresh_top_n FROM recommender.parameters AS p)
    );
    RETURN recommender.start_run(
        v_top_n, v_as_of, false, p_overwrite, NULL,
        (
            v_full.finished_at IS NOT NULL
            AND v_full.events_noted_at IS NOT NULL
            AND v_full.model_version = v_model.model_version
            AND v_full.basis_hash = recommender._basis_hash(v_model)
            AND v_full.top_n = v_top_n
            AND v_full.as_of <= v_as_of
        ) IS NOT TRUE
    );
END;
$$;

COMMENT ON FUNCTION recommender._start_changed_run(integer, timestamptz, boolean) IS
'Opens a run whose students recommender._mark_due will find, or one of all students: where there is no finished one yet, or it was of another model, basis (recommender._basis_hash), length (p_top_n, NULL: its length) or a later moment. Raises as recommender.start_run.';
