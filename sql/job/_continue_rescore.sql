-- Takes the rescore of a job one step further: opens, builds twins, prepares, passes, closes.
--
-- A step is a transaction. What has been reached stands in the job, so that after a crash, or in
-- another session, the run goes on where it was.

CREATE OR REPLACE FUNCTION recommender._continue_rescore(p_payload jsonb, p_progress jsonb)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_run public.recommendation_runs;
    v_user_ids integer [];
    v_passed integer;
BEGIN
    IF p_progress ? 'is_refreshed' THEN
        -- The model that is found to score now does so until the step is done.
        PERFORM pg_advisory_xact_lock_shared(recommender._lock_key('model'));
    END IF;
    SELECT r.* INTO v_run
    FROM public.recommendation_runs AS r WHERE r.id = (p_progress ->> 'run_id')::bigint;
    IF v_run.model_version IS DISTINCT FROM (recommender.current_model()).model_version THEN
        -- None yet, or another model since: everybody's lists are to be the new one's.
        v_run := recommender.start_run(coalesce(
            (p_payload ->> 'top_n')::numeric::integer,
            (SELECT p.refresh_top_n FROM recommender.parameters AS p)
        ));
        RETURN jsonb_build_object(
            'run_id', v_run.id, 'model_version', v_run.model_version, 'lists', 0
        );
    END IF;
    IF NOT p_progress ? 'is_refreshed' THEN
        -- Also where the clock is frozen, and the twins are of this moment already.
        PERFORM recommender._refresh_for_run(v_run.id);
        RETURN p_progress || '{"is_refreshed": true}';
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

COMMENT ON FUNCTION recommender._continue_rescore(jsonb, jsonb) IS
'One step of a rescore of all students, given the job''s payload (top_n) and what it returned before (NULL: the first step): run_id, model_version, lists passed so far, is_refreshed once the twins are built, and at the end is_done. Starts over when another model scores by now.';
