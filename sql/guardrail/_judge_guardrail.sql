-- What the numbers of an evaluation say; whether a model can be rolled back is another question.
--
-- Of the row alone, so that a decision can be made again from what is stored. The comparison is of
-- whole numbers, so that a drop of exactly what is allowed is allowed.

CREATE OR REPLACE FUNCTION recommender._judge_guardrail(
    p_evaluation public.guardrail_evaluations
)
RETURNS TABLE (verdict text, ctr_ok boolean, conversion_ok boolean)
LANGUAGE plpgsql
IMMUTABLE
ROWS 1
AS $$
DECLARE
    v_statistics jsonb;
BEGIN
    IF p_evaluation.window_from IS NULL THEN
        verdict := 'disabled';
    ELSIF p_evaluation.recommended_impressions = 0 AND p_evaluation.time_impressions = 0 THEN
        verdict := 'skip_no_traffic';
    ELSIF
        least(p_evaluation.recommended_impressions, p_evaluation.time_impressions)
        < p_evaluation.min_impressions
    THEN
        verdict := 'skip_low_volume';
    ELSIF p_evaluation.method = 'sequential' THEN
        v_statistics := recommender._decide_sequential(
            p_evaluation.statistics -> 'moments',
            p_evaluation.statistics -> 'sample_ratio',
            p_evaluation.ctr_drop_ratio,
            p_evaluation.conversion_drop_ratio
        );
        CASE v_statistics ->> 'verdict'
            WHEN 'sample_ratio_mismatch' THEN
                verdict := 'skip_sample_ratio';
            WHEN 'not_judged' THEN
                verdict := 'skip_low_volume';
            ELSE
                ctr_ok := NOT (v_statistics -> 'is_ctr_worse')::boolean;
                conversion_ok := NOT (v_statistics -> 'is_conversion_worse')::boolean;
        END CASE;
    ELSE
        -- clicks / impressions >= (1 - drop) * the other's, and likewise of what follows a click.
        ctr_ok := p_evaluation.recommended_clicks::numeric * p_evaluation.time_impressions
            >= (1 - p_evaluation.ctr_drop_ratio::numeric)
            * p_evaluation.time_clicks * p_evaluation.recommended_impressions;
        conversion_ok := p_evaluation.time_conversions = 0 OR (
            p_evaluation.recommended_conversions::numeric * p_evaluation.time_clicks
            >= (1 - p_evaluation.conversion_drop_ratio::numeric)
            * p_evaluation.time_conversions * greatest(p_evaluation.recommended_clicks, 1)
        );
    END IF;
    verdict := coalesce(verdict, CASE WHEN ctr_ok AND conversion_ok THEN 'ok' ELSE 'worse' END);
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION recommender._judge_guardrail(public.guardrail_evaluations) IS
'disabled, skip_no_traffic, skip_low_volume, skip_sample_ratio, ok or worse, from the counts, thresholds, method and statistics of an evaluation; ctr_ok and conversion_ok are NULL where nothing was compared. Always one row.';
