-- One row is one evaluation as an admin reads it: rates beside each other, and the decision.

CREATE OR REPLACE VIEW recommender.guardrails AS
SELECT
    e.id AS evaluation_id,
    e.evaluated_at,
    e.action,
    e.reason,
    e.model_version,
    e.target_version,
    e.method,
    e.window_from,
    e.window_to,
    e.recommended_impressions,
    e.time_impressions,
    coalesce(e.recommended_clicks::double precision / nullif(e.recommended_impressions, 0), 0)
        AS recommended_ctr,
    coalesce(e.time_clicks::double precision / nullif(e.time_impressions, 0), 0) AS time_ctr,
    coalesce(e.recommended_conversions::double precision / nullif(e.recommended_clicks, 0), 0)
        AS recommended_conversion,
    coalesce(e.time_conversions::double precision / nullif(e.time_clicks, 0), 0)
        AS time_conversion,
    e.statistics,
    j.verdict AS replayed_verdict
FROM public.guardrail_evaluations AS e
CROSS JOIN LATERAL recommender._judge_guardrail(e) AS j
ORDER BY e.id DESC;

COMMENT ON VIEW recommender.guardrails IS
'One row is one evaluation, the last one first: its decision and reason, what was judged by which method, the window (both ends inclusive), impressions and rates of both sorts (0 where there was nothing to divide by). replayed_verdict is the judgement made again from the stored numbers: worse stands behind rollback, skip_cooldown, no_previous_model and no_active_model.';
