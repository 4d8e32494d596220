-- An evaluation of the guardrails as the desk shows it: inputs, numbers, decision.

CREATE OR REPLACE FUNCTION recommender._evaluation_answer(
    p_evaluation public.guardrail_evaluations
)
RETURNS json
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN (
        SELECT json_build_object(
            'evaluation_id', e.id,
            'evaluated_at', e.evaluated_at,
            'action', e.action,
            'reason', e.reason,
            'model_version', e.model_version,
            'target_version', e.target_version,
            'rescore_job_id', e.rescore_job_id,
            'method', e.method,
            'days', e.days,
            'min_impressions', e.min_impressions,
            'ctr_drop_ratio', e.ctr_drop_ratio,
            'conversion_drop_ratio', e.conversion_drop_ratio,
            'click_to_register_window_hours', e.click_to_register_window_hours,
            'window_from', e.window_from,
            'window_to', e.window_to,
            'recommended_impressions', e.recommended_impressions,
            'recommended_clicks', e.recommended_clicks,
            'recommended_conversions', e.recommended_conversions,
            'recommended_ctr',
            e.recommended_clicks::double precision / nullif(e.recommended_impressions, 0),
            'recommended_conversion',
            e.recommended_conversions::double precision / nullif(e.recommended_clicks, 0),
            'time_impressions', e.time_impressions,
            'time_clicks', e.time_clicks,
            'time_conversions', e.time_conversions,
            'time_ctr', e.time_clicks::double precision / nullif(e.time_impressions, 0),
            'time_conversion', e.time_conversions::double precision / nullif(e.time_clicks, 0),
            'ctr_ok', j.ctr_ok,
            'conversion_ok', j.conversion_ok,
            'statistics', e.statistics,
            'replayed_verdict', j.verdict
        )
        FROM (SELECT (p_evaluation).*) AS e
        CROSS JOIN LATERAL recommender._judge_guardrail(p_evaluation) AS j
    );
END;
$$;

COMMENT ON FUNCTION recommender._evaluation_answer(public.guardrail_evaluations) IS
'A row of recommender.guardrails as an object, with the clicks and conversions behind its rates, the thresholds it was judged by, and whether either rate held (ctr_ok, conversion_ok; null: not compared). A rate of nothing is null here.';
