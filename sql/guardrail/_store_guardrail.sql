-- Keeps an evaluation and gives what its caller is told.

CREATE OR REPLACE FUNCTION recommender._store_guardrail(
    p_evaluation public.guardrail_evaluations
)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_evaluation public.guardrail_evaluations;
BEGIN
    INSERT INTO public.guardrail_evaluations (
        evaluated_at, window_from, window_to, method, days, min_impressions, ctr_drop_ratio,
        conversion_drop_ratio, click_to_register_window_hours, recommended_impressions,
        recommended_clicks, recommended_conversions, time_impressions, time_clicks,
        time_conversions, statistics, action, reason, model_version, target_version,
        rescore_job_id
    )
    VALUES (
        p_evaluation.evaluated_at,
        p_evaluation.window_from,
        p_evaluation.window_to,
        p_evaluation.method,
        p_evaluation.days,
        p_evaluation.min_impressions,
        p_evaluation.ctr_drop_ratio,
        p_evaluation.conversion_drop_ratio,
        p_evaluation.click_to_register_window_hours,
        p_evaluation.recommended_impressions,
        p_evaluation.recommended_clicks,
        p_evaluation.recommended_conversions,
        p_evaluation.time_impressions,
        p_evaluation.time_clicks,
        p_evaluation.time_conversions,
        p_evaluation.statistics,
        p_evaluation.action,
        p_evaluation.reason,
        p_evaluation.model_version,
        p_evaluation.target_version,
        p_evaluation.rescore_job_id
    )
    RETURNING * INTO v_evaluation;
    RETURN recommender._guardrail_outcome(v_evaluation);
END;
$$;

COMMENT ON FUNCTION recommender._store_guardrail(public.guardrail_evaluations) IS
'Inserts the evaluation, under the next id, and returns recommender._guardrail_outcome of it.';
