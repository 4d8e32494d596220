-- Rescores every student, in batches with a commit after each; can be interrupted and resumed.

CREATE OR REPLACE PROCEDURE recommender.score_all(
    p_top_n integer DEFAULT 50,
    p_as_of timestamptz DEFAULT NULL,
    p_resume boolean DEFAULT false,
    p_overwrite boolean DEFAULT false
)
LANGUAGE plpgsql
AS $$
DECLARE
    v_run public.recommendation_runs;
    v_user_ids integer[];
    v_event_count integer;
    v_passed integer;
    v_done integer := 0;
    v_total integer;
    v_wait boolean := false;
BEGIN
    v_run := recommender.start_run(p_top_n, p_as_of, p_resume, p_overwrite);
    COMMIT;
    PERFORM recommender._refresh_for_run(v_run.id);
    COMMIT;
    LOOP
        v_event_count := recommender.prepare_run(v_run.id);
        COMMIT;
        EXIT WHEN v_event_count IS NOT NULL;
    END LOOP;
    SELECT count(*) INTO v_total
    FROM public.recommendation_lists AS l WHERE l.run_id IS DISTINCT FROM v_run.id;
    LOOP
        PERFORM recommender._list_batches(v_run.id);
        COMMIT;
        LOOP
            v_user_ids := recommender._next_batch();
            EXIT WHEN v_user_ids IS NULL;
            LOOP
                v_passed := recommender.score_students(v_run.id, v_user_ids, v_wait);
                COMMIT;
                EXIT WHEN v_passed IS NOT NULL;
            END LOOP;
            v_done := v_done + v_passed;
            RAISE INFO '% of % lists', v_done, v_total;
        END LOOP;
        -- A second pass waits for the lists somebody else was writing.
        EXIT WHEN v_wait;
        v_wait := true;
    END LOOP;
    PERFORM recommender.finish_run(v_run.id);
    COMMIT;
END;
$$;

COMMENT ON PROCEDURE recommender.score_all(integer, timestamptz, boolean, boolean) IS  -- noqa: LT01
'Rebuilds the twins and writes every student''s list with recommender.current_model() for a moment (NULL: recommender.as_of()), 200 students a transaction. Interrupted, it goes on with p_resume => true. Must be called outside a transaction block. Raises as recommender.start_run.';
