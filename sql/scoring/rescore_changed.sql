-- Rescores the students whose lists a rescore of all would change: what runs between trainings.

CREATE OR REPLACE PROCEDURE recommender.rescore_changed(
    p_as_of timestamptz DEFAULT NULL,
    p_top_n integer DEFAULT NULL,
    p_overwrite boolean DEFAULT false
)
LANGUAGE plpgsql
AS $$
DECLARE
    v_run public.recommendation_runs;
BEGIN
    v_run := recommender._start_changed_run(p_top_n, p_as_of, p_overwrite);
    COMMIT;
    CALL recommender._pass_run(v_run.id);
    SELECT r.* INTO v_run FROM public.recommendation_runs AS r WHERE r.id = v_run.id;
    RAISE INFO '%', CASE
        WHEN v_run.is_full THEN 'all lists were due'
        ELSE v_run.due_count || ' lists were due'
    END;
END;
$$;

COMMENT ON PROCEDURE recommender.rescore_changed(timestamptz, integer, boolean) IS  -- noqa: LT01
'Rebuilds the twins for a moment (NULL: recommender.as_of()), finds the students who changed, or whom an event concerns that did, since their list was written, and writes their lists; at the moment of the last run of all students the lists are then those of another such run. Later, the others drift: docs/concepts.md. Writes everybody''s lists instead where there is no finished run of all by recommender.current_model(), its settings or length (p_top_n; NULL: the same) were others, or too much changed. Interrupted, it goes on with score_all(p_resume => true), or the next call finds the rest. Must be called outside a transaction block. Raises as recommender.start_run.';
