-- What the guardrails decided in a span of time.

CREATE OR REPLACE FUNCTION recommender._evaluations_between(p_from timestamptz, p_to timestamptz)
RETURNS json
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT coalesce(json_agg(e ORDER BY e.evaluated_at, e.evaluation_id), '[]')
    FROM (
        SELECT
            g.id AS evaluation_id,
            g.evaluated_at,
            g.action,
            g.reason
        FROM public.guardrail_evaluations AS g
        WHERE g.evaluated_at BETWEEN p_from AND p_to
        ORDER BY g.id DESC
        LIMIT 500
    ) AS e;
END;

COMMENT ON FUNCTION recommender._evaluations_between(timestamptz, timestamptz) IS
'An array of the evaluations of the guardrails from p_from to p_to (both inclusive), the earliest first, and of more than 500 the last: evaluation_id, evaluated_at, action and reason.';
