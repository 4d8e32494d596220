-- An evaluation with its inputs and numbers, not decided yet.

CREATE OR REPLACE FUNCTION recommender._measure_guardrail(p_payload jsonb)
RETURNS public.guardrail_evaluations
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_parameters record;
    v_evaluation public.guardrail_evaluations;
BEGIN
    SELECT
        p.guardrails_enabled,
        p.guardrails_method AS method,
        coalesce((p_payload ->> 'days')::numeric::integer, p.guardrails_days) AS days,
        coalesce(
            (p_payload ->> 'min_impressions')::numeric::integer, p.guardrails_min_impressions
        ) AS min_impressions,
        coalesce(
            (p_payload ->> 'ctr_drop_ratio')::double precision, p.guardrails_ctr_drop_ratio
        ) AS ctr_drop_ratio,
        coalesce(
            (p_payload ->> 'conversion_drop_ratio')::double precision,
            p.guardrails_conversion_drop_ratio
        ) AS conversion_drop_ratio,
        coalesce(
            (p_payload ->> 'click_to_register_window_hours')::numeric::integer,
            p.guardrails_window_hours
        ) AS window_hours
    INTO v_parameters
    FROM recommender.parameters AS p;
    v_evaluation.evaluated_at := recommender.as_of();
    v_evaluation.method := v_parameters.method;
    v_evaluation.days := v_parameters.days;
    v_evaluation.min_impressions := v_parameters.min_impressions;
    v_evaluation.ctr_drop_ratio := v_parameters.ctr_drop_ratio;
    v_evaluation.conversion_drop_ratio := v_parameters.conversion_drop_ratio;
    v_evaluation.click_to_register_window_hours := v_parameters.window_hours;
    SELECT m.model_version INTO v_evaluation.model_version
    FROM public.recommender_models AS m WHERE m.is_active;
    IF NOT v_parameters.guardrails_enabled THEN
        RETURN v_evaluation;
    END IF;
    v_evaluation.window_to := v_evaluation.evaluated_at;
    v_evaluation.window_from := greatest(
        v_evaluation.evaluated_at - v_evaluation.days * interval '1 day',
        (SELECT e.evidence_from FROM recommender.active_evidence AS e)
    );
    RETURN recommender._count_guardrail(v_evaluation);
END;
$$;

COMMENT ON FUNCTION recommender._measure_guardrail(jsonb) IS
'The row of an evaluation at recommender.as_of() as far as it is known before the decision; what the payload does not say is as the settings have it. Without window and counts where guardrails are switched off.';
