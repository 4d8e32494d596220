-- Makes of a verdict what is to be done about the active model, and says so in a sentence.

CREATE OR REPLACE FUNCTION recommender._decide_guardrail(
    p_evaluation public.guardrail_evaluations
)
RETURNS public.guardrail_evaluations
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_evaluation public.guardrail_evaluations := p_evaluation;
    v_judgement record;
    v_cooldown_hours integer := (
        SELECT p.guardrails_cooldown_hours FROM recommender.parameters AS p
    );
    v_pinned text := (SELECT p.model_version FROM recommender.parameters AS p);
    v_cool_at timestamptz := (
        SELECT e.evidence_from + v_cooldown_hours * interval '1 hour'
        FROM recommender.active_evidence AS e
    );
BEGIN
    SELECT j.* INTO v_judgement FROM recommender._judge_guardrail(p_evaluation) AS j;
    v_evaluation.action := v_judgement.verdict;
    IF v_judgement.verdict = 'worse' THEN
        v_evaluation.target_version := recommender._rollback_target(p_evaluation.model_version);
        v_evaluation.action := CASE
            WHEN p_evaluation.model_version IS NULL THEN 'no_active_model'
            WHEN v_pinned <> p_evaluation.model_version THEN 'skip_pinned'
            WHEN v_cool_at > p_evaluation.evaluated_at THEN 'skip_cooldown'
            WHEN v_evaluation.target_version IS NULL THEN 'no_previous_model'
            ELSE 'rollback'
        END;
    END IF;
    IF v_evaluation.action <> 'rollback' THEN
        v_evaluation.target_version := NULL;
    END IF;
    v_evaluation.reason := recommender._word_guardrail(
        v_evaluation, v_judgement.ctr_ok, v_judgement.conversion_ok, v_cooldown_hours
    );
    RETURN v_evaluation;
END;
$$;

COMMENT ON FUNCTION recommender._decide_guardrail(public.guardrail_evaluations) IS
'The evaluation with action, reason and target_version: disabled, skip_no_traffic, skip_low_volume, skip_sample_ratio, skip_pinned, skip_cooldown, ok, no_active_model, no_previous_model or rollback. Changes nothing.';
