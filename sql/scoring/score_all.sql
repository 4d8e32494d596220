-- Rescores every student, in batches with a commit after each; can be interrupted and resumed.

CREATE OR REPLACE PROCEDURE recommender.score_all(
    p_top_n integer DEFAULT 50,
    p_as_of timestamptz DEFAULT NULL,
    p_resume boolean DEFAULT false,
    p_overwrite boolean DEFAULT false,
    p_user_ids integer[] DEFAULT NULL,
    p_refresh boolean DEFAULT true
)
LANGUAGE plpgsql
AS $$
DECLARE
    v_run public.recommendation_runs;
BEGIN
    v_run := recommender.start_run(p_top_n, p_as_of, p_resume, p_overwrite, p_user_ids);
    COMMIT;
    CALL recommender._pass_run(v_run.id, p_refresh);
END;
$$;

COMMENT ON PROCEDURE recommender.score_all(  -- noqa: LT01
    integer, timestamptz, boolean, boolean, integer[], boolean  -- noqa: LT01
) IS
'Rebuilds the twins and writes every student''s list (p_user_ids: theirs only; ids of nobody are left out) with recommender.current_model() for a moment (NULL: recommender.as_of()), 200 students a transaction. p_refresh false takes twins of that moment as they are: for whoever has just called recommender.refresh_features(). Interrupted, it goes on with p_resume => true. Must be called outside a transaction block. Raises as recommender.start_run.';
