-- Takes an open run to its end in this session, with a commit after each batch.

CREATE OR REPLACE PROCEDURE recommender._pass_run(p_run_id bigint, p_refresh boolean DEFAULT true)
LANGUAGE plpgsql
AS $$
DECLARE
    v_user_ids integer[];
    v_due_count integer;
    v_event_count integer;
    v_passed integer;
    v_done integer := 0;
    v_total integer;
    v_wait boolean := false;
BEGIN
    IF p_refresh THEN
        PERFORM recommender._refresh_for_run(p_run_id);
        COMMIT;
    END IF;
    LOOP
        v_due_count := recommender._mark_due(p_run_id);
        COMMIT;
        EXIT WHEN v_due_count IS NOT NULL;
    END LOOP;
    SELECT count(*) INTO v_total FROM recommender._remaining_lists(p_run_id) AS l;
    LOOP
        -- Nobody is due: there is nothing to prepare.
        EXIT WHEN v_total = 0;
        v_event_count := recommender.prepare_run(p_run_id);
        COMMIT;
        EXIT WHEN v_event_count IS NOT NULL;
    END LOOP;
    LOOP
        EXIT WHEN v_total = 0;
        PERFORM recommender._list_batches(p_run_id);
        COMMIT;
        LOOP
            v_user_ids := recommender._next_batch();
            EXIT WHEN v_user_ids IS NULL;
            LOOP
                v_passed := recommender.score_students(p_run_id, v_user_ids, v_wait);
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
    PERFORM recommender.finish_run(p_run_id);
    COMMIT;
END;
$$;

COMMENT ON PROCEDURE recommender._pass_run(bigint, boolean) IS  -- noqa: LT01
'Rebuilds the twins for the run''s moment (unless p_refresh is false: they may be of it already), finds who is due where the run is of what changed, and writes the lists it has not passed. Must be called outside a transaction block.';
