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
'One row is one evaluation (evaluation_id), the last one first: its decision (action, reason; target_version is the model it went back to, NULL: none), the model that was judged and the method, window_from and window_to (both inclusive; NULL: switched off), recommended_impressions and time_impressions, and the rates of both sorts: recommended_ctr, time_ctr, recommended_conversion and time_conversion, 0 where there was nothing to divide by. statistics are those of method sequential, else NULL. replayed_verdict is the judgement made again from the stored numbers: worse stands behind rollback, skip_pinned, skip_cooldown, no_previous_model and no_active_model.';
