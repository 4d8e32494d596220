-- Judges the active model by its traffic, and goes back to the one before when it does worse.
--
-- The counts are read without a lock. What they say is acted on under the lock of the model, and
-- only if the active model and its evidence are still those that were counted; else once more, now
-- with the lock held, under which neither can change.

CREATE OR REPLACE FUNCTION recommender.evaluate_guardrails(p_payload jsonb DEFAULT '{}')
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_payload jsonb := coalesce(p_payload, '{}');
    v_evaluation public.guardrail_evaluations;
    v_now recommender.active_evidence;
    v_then recommender.active_evidence;
    v_rescore public.background_jobs;
BEGIN
    PERFORM recommender._check_job('evaluate_personalization_guardrails', v_payload);
    PERFORM pg_advisory_xact_lock(recommender._lock_key('guardrails'));
    LOOP
        SELECT e.* INTO v_then FROM recommender.active_evidence AS e;
        v_evaluation := recommender._decide_guardrail(recommender._measure_guardrail(v_payload));
        EXIT WHEN v_evaluation.action <> 'rollback';
        PERFORM pg_advisory_xact_lock(recommender._lock_key('model'));
        SELECT e.* INTO v_now FROM recommender.active_evidence AS e;
        EXIT WHEN v_now IS NOT DISTINCT FROM v_then;
    END LOOP;
    IF v_evaluation.action = 'rollback' THEN
        PERFORM recommender.activate_model(
            v_evaluation.target_version, 'guardrails: ' || v_evaluation.reason, 'rollback'
        );
        v_rescore := recommender.enqueue_job(
            'recompute_recommendations_ml',
            jsonb_build_object(
                'skip_training', true,
                'top_n', (SELECT p.refresh_top_n FROM recommender.parameters AS p)
            ),
            'all'
        );
        v_evaluation.rescore_job_id := v_rescore.id;
    END IF;
    RETURN recommender._store_guardrail(v_evaluation);
END;
$$;

COMMENT ON FUNCTION recommender.evaluate_guardrails(jsonb) IS
'One evaluation at recommender.as_of(), stored in guardrail_evaluations: action is disabled, skip_no_traffic, skip_low_volume, skip_sample_ratio, skip_pinned, skip_cooldown, ok, no_active_model, no_previous_model or rollback. A rollback activates the model before and queues the rewriting of all lists, in the caller''s transaction. The payload may say days, min_impressions, ctr_drop_ratio, conversion_drop_ratio and click_to_register_window_hours; the rest is settings. Returns action, reason, days, evaluation_id; impressions, clicks, conversions, ctr and conversion as {recommended, time} and ctr_ok, conversion_ok where something was counted; rolled_back_from, rolled_back_to and rescore_job_id after a rollback. Raises ER042 for a wrong payload.';
