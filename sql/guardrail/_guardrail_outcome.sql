-- An evaluation as JSON, in the reference's words.

CREATE OR REPLACE FUNCTION recommender._guardrail_outcome(
    p_evaluation public.guardrail_evaluations
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_counts jsonb := '{}';
BEGIN
    IF p_evaluation.window_from IS NOT NULL THEN
        SELECT jsonb_build_object(
            'impressions', jsonb_object_agg(v.variant, v.impressions),
            'clicks', jsonb_object_agg(v.variant, v.clicks),
            'conversions', jsonb_object_agg(v.variant, v.conversions),
            'ctr', jsonb_object_agg(
                v.variant, coalesce(v.clicks::double precision / nullif(v.impressions, 0), 0)
            ),
            'conversion', jsonb_object_agg(
                v.variant, coalesce(v.conversions::double precision / nullif(v.clicks, 0), 0)
            )
        ) INTO v_counts
        FROM (
            VALUES
            (
                'recommended', p_evaluation.recommended_impressions,
                p_evaluation.recommended_clicks, p_evaluation.recommended_conversions
            ),
            (
                'time', p_evaluation.time_impressions,
                p_evaluation.time_clicks, p_evaluation.time_conversions
            )
        ) AS v (variant, impressions, clicks, conversions);
    END IF;
    RETURN v_counts || (
        SELECT jsonb_strip_nulls(jsonb_build_object(
            'evaluation_id', p_evaluation.id,
            'action', p_evaluation.action,
            'reason', p_evaluation.reason,
            'enabled', p_evaluation.window_from IS NOT NULL,
            'method', p_evaluation.method,
            'days', p_evaluation.days,
            'ctr_ok', j.ctr_ok,
            'conversion_ok', j.conversion_ok,
            'statistics', p_evaluation.statistics,
            'model_version', p_evaluation.model_version,
            'rolled_back_from',
            CASE WHEN p_evaluation.action = 'rollback' THEN p_evaluation.model_version END,
            'rolled_back_to', p_evaluation.target_version,
            'rescore_job_id', p_evaluation.rescore_job_id
        ))
        FROM recommender._judge_guardrail(p_evaluation) AS j
    );
END;
$$;

COMMENT ON FUNCTION recommender._guardrail_outcome(public.guardrail_evaluations) IS
'What recommender.evaluate_guardrails returns of an evaluation.';
