-- Takes the rescore of a job one step further: opens, builds twins, finds who is due,
-- prepares, passes, closes.
--
-- A step is a transaction. What has been reached stands in the job, so that after a crash, or in
-- another session, the run goes on where it was.

CREATE OR REPLACE FUNCTION recommender._continue_rescore(
    p_payload jsonb, p_progress jsonb, p_only_changed boolean
)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_run public.recommendation_runs;
    v_user_ids integer [];
    v_passed integer;
    v_due_count integer;
    v_top_n integer := (p_payload ->> 'top_n')::numeric::integer;
BEGIN
    IF p_only_changed AND NOT EXISTS (SELECT FROM public.recommender_models AS m) THEN
        -- The schedule asks for it from the first hour on.
        RETURN '{"skipped": "there is no model yet", "is_done": true}';
    END IF;
    IF p_progress ? 'is_refreshed' THEN
        -- The model that is found to score now does so until the step is done.
        PERFORM pg_advisory_xact_lock_shared(recommender._lock_key('model'));
    END IF;
    SELECT r.* INTO v_run
    FROM public.recommendation_runs AS r WHERE r.id = (p_progress ->> 'run_id')::bigint;
    IF v_run.model_version IS DISTINCT FROM (recommender.current_model()).model_version THEN
        -- None yet, or another model since: everybody's lists are to be the new one's.
        IF p_only_changed THEN
            v_run := recommender._start_changed_run(v_top_n);
        ELSE
            v_run := recommender.start_run(
                coalesce(v_top_n, (SELECT p.refresh_top_n FROM recommender.parameters AS p))
            );
        END IF;
        RETURN jsonb_build_object(
            'run_id', v_run.id, 'model_version', v_run.model_version, 'lists', 0
        );
    END IF;
    IF NOT p_progress ? 'is_refreshed' THEN
        -- Also where the clock is frozen, and the twins are of this moment already.
        PERFORM recommender._refresh_for_run(v_run.id);
        RETURN p_progress || '{"is_refreshed": true}';
    END IF;
    IF p_only_changed AND NOT p_progress ? 'is_full' THEN
        v_due_count := recommender._mark_due(v_run.id);
        IF v_due_count IS NULL THEN
            RETURN p_progress;
        END IF;
        SELECT r.* INTO STRICT v_run FROM public.recommendation_runs AS r WHERE r.id = v_run.id;
        RETURN p_progress || jsonb_build_object(
            'is_full', v_run.is_full, 'due_count', v_run.due_count
        );
    END IF;
    IF v_run.due_count = 0 THEN
        PERFORM recommender.finish_run(v_run.id);
        RETURN p_progress - 'is_refreshed' || '{"is_done": true}';
    END IF;
    IF nullif(current_setting('recommender.prepared_run', true), '')
        IS DISTINCT FROM v_run.id::text
    THEN
        PERFORM recommender.prepare_run(v_run.id);
        RETURN p_progress;
    END IF;
    v_user_ids := recommender._next_batch();
    IF v_user_ids IS NULL AND recommender._list_batches(v_run.id) > 0 THEN
        -- The first time; later there are only those who came meanwhile.
        RETURN p_progress;
    ELSIF v_user_ids IS NULL THEN
        PERFORM recommender.finish_run(v_run.id);
        RETURN p_progress - 'is_refreshed' || '{"is_done": true}';
    END IF;
    v_passed := recommender.score_students(v_run.id, v_user_ids, true);
    IF v_passed IS NULL THEN
        RETURN p_progress;
    END IF;
    RETURN p_progress || jsonb_build_object(
        'lists', (p_progress ->> 'lists')::integer + v_passed
    );
END;
$$;

COMMENT ON FUNCTION recommender._continue_rescore(jsonb, jsonb, boolean) IS
'One step of a rescore of all students, or (p_only_changed) of those who are due, given the job''s payload (top_n) and what it returned before (NULL: the first step): run_id, model_version, lists passed so far, is_refreshed once the twins are built, due_count and is_full once it is known who is due, and at the end is_done; skipped where there is no model yet and p_only_changed. Starts over when another model scores by now.';
