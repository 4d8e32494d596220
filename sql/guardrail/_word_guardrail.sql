-- The decision of an evaluation in plain words.

CREATE OR REPLACE FUNCTION recommender._word_guardrail(
    p_evaluation public.guardrail_evaluations,
    p_ctr_ok boolean,
    p_conversion_ok boolean,
    p_cooldown_hours integer
)
RETURNS text
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_drops text := concat_ws(
        ' and ',
        CASE WHEN NOT p_ctr_ok THEN format(
            'the click-through rate is %s beside %s when sorted by time',
            recommender._word_rate(
                p_evaluation.recommended_clicks, p_evaluation.recommended_impressions
            ),
            recommender._word_rate(p_evaluation.time_clicks, p_evaluation.time_impressions)
        ) END,
        CASE WHEN NOT p_conversion_ok THEN format(
            'the conversion of clicks is %s beside %s when sorted by time',
            recommender._word_rate(
                p_evaluation.recommended_conversions, p_evaluation.recommended_clicks
            ),
            recommender._word_rate(p_evaluation.time_conversions, p_evaluation.time_clicks)
        ) END
    );
BEGIN
    RETURN CASE p_evaluation.action
        WHEN 'disabled' THEN 'personalization_guardrails_enabled is false'
        WHEN 'skip_no_traffic' THEN 'the events list was not looked at'
        WHEN 'skip_low_volume' THEN format(
            '%s impressions recommended and %s by time: %s of each are needed%s',
            p_evaluation.recommended_impressions, p_evaluation.time_impressions,
            p_evaluation.min_impressions,
            CASE p_evaluation.method
                WHEN 'sequential' THEN ', and 30 students who share them about evenly' ELSE ''
            END
        )
        WHEN 'skip_sample_ratio' THEN
            'the groups are not as large as the experiment would make them: what differs between'
            ' them may not be the sort'
        WHEN 'ok' THEN 'neither rate dropped by more than is allowed'
        WHEN 'skip_pinned' THEN
            v_drops || ', but RECOMMENDER_MODEL_VERSION has another model score than the active one'
        WHEN 'no_active_model' THEN v_drops || ', but no model is active'
        WHEN 'no_previous_model' THEN
            v_drops || ', but there is no model before this one to go back to'
        WHEN 'skip_cooldown' THEN format(
            '%s, but the model has been active for less than %s hours', v_drops, p_cooldown_hours
        )
        ELSE v_drops
    END;
END;
$$;

COMMENT ON FUNCTION recommender._word_guardrail(
    public.guardrail_evaluations, boolean, boolean, integer
) IS
'A sentence without a full stop that says why the evaluation ended as its action has it.';
