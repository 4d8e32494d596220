-- What the guardrails said last.

CREATE OR REPLACE FUNCTION recommender._status_guardrails()
RETURNS TABLE (item text, value text, warning text)
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT
        'last evaluation' AS item,
        coalesce(
            g.action || ', ' || recommender._age_text(x.moment - g.evaluated_at) || ' ago: '
            || g.reason,
            CASE WHEN x.is_enabled THEN 'never' ELSE 'never, and switched off' END
        ) AS value,
        CASE
            WHEN x.is_enabled AND (g.evaluated_at >= x.moment - interval '2 days') IS NOT TRUE
                THEN 'nobody watches the quality: the guardrails are on, but are not evaluated'
            WHEN g.action = 'rollback' AND g.evaluated_at >= x.moment - interval '7 days'
                THEN 'a model was rolled back: SELECT * FROM recommender.models'
        END AS warning
    FROM (
        SELECT
            recommender.as_of() AS moment,
            recommender._switch('personalization_guardrails_enabled') AS is_enabled
    ) AS x
    LEFT JOIN LATERAL (
        SELECT
            e.action,
            e.reason,
            e.evaluated_at
        FROM public.guardrail_evaluations AS e
        WHERE e.evaluated_at <= x.moment
        ORDER BY e.evaluated_at DESC, e.id DESC
        LIMIT 1
    ) AS g ON true;
END;

COMMENT ON FUNCTION recommender._status_guardrails() IS
'The row of recommender.status on the last evaluation of the guardrails.';
