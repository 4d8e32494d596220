-- Fills in what an evaluation counts in its window.

CREATE OR REPLACE FUNCTION recommender._count_guardrail(
    p_evaluation public.guardrail_evaluations
)
RETURNS public.guardrail_evaluations
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_evaluation public.guardrail_evaluations := p_evaluation;
    v_variant record;
BEGIN
    FOR v_variant IN
        SELECT
            m.variant,
            m.impressions,
            m.clicks,
            m.conversions
        FROM recommender.guardrail_metrics(
            p_evaluation.window_from,
            p_evaluation.window_to,
            p_evaluation.click_to_register_window_hours
        ) AS m
    LOOP
        IF v_variant.variant = 'recommended' THEN
            v_evaluation.recommended_impressions := v_variant.impressions;
            v_evaluation.recommended_clicks := v_variant.clicks;
            v_evaluation.recommended_conversions := v_variant.conversions;
        ELSE
            v_evaluation.time_impressions := v_variant.impressions;
            v_evaluation.time_clicks := v_variant.clicks;
            v_evaluation.time_conversions := v_variant.conversions;
        END IF;
    END LOOP;
    IF p_evaluation.method = 'sequential' THEN
        v_evaluation.statistics := recommender._decide_sequential(
            recommender._guardrail_moments(
                p_evaluation.window_from,
                p_evaluation.window_to,
                p_evaluation.click_to_register_window_hours
            ),
            recommender._sample_ratio_check(p_evaluation.window_from, p_evaluation.window_to),
            p_evaluation.ctr_drop_ratio,
            p_evaluation.conversion_drop_ratio
        );
    END IF;
    RETURN v_evaluation;
END;
$$;

COMMENT ON FUNCTION recommender._count_guardrail(public.guardrail_evaluations) IS
'The evaluation with impressions, clicks and conversions of both variants in its window, and with statistics where the method is sequential.';
