-- One row is one number of GET /metrics about the guardrails.

CREATE OR REPLACE VIEW recommender.guardrail_gauges AS
SELECT
    'eventrank_guardrail_evaluations' AS name,
    jsonb_build_object('action', e.action) AS labels,
    count(*)::double precision AS value,
    'Evaluations of the guardrails so far, by what they decided' AS help
FROM public.guardrail_evaluations AS e
GROUP BY e.action
UNION ALL
SELECT
    'eventrank_guardrail_age_seconds' AS name,
    '{}' AS labels,
    extract(EPOCH FROM recommender.as_of() - e.evaluated_at)::double precision AS value,
    'Age of the last evaluation of the guardrails' AS help
FROM (
    SELECT l.evaluated_at
    FROM public.guardrail_evaluations AS l
    ORDER BY l.id DESC
    LIMIT 1
) AS e
UNION ALL
SELECT
    'eventrank_guardrail_rate' AS name,
    jsonb_build_object('rate', r.rate, 'sort', r.sort) AS labels,
    r.value,
    'Click-through rate and conversion by sort, as the last evaluation that counted saw them'
        AS help
FROM (
    SELECT
        l.recommended_ctr,
        l.time_ctr,
        l.recommended_conversion,
        l.time_conversion
    FROM recommender.guardrails AS l
    WHERE l.window_from IS NOT NULL
    ORDER BY l.evaluation_id DESC
    LIMIT 1
) AS e
CROSS JOIN LATERAL (
    VALUES
    ('ctr', 'recommended', e.recommended_ctr),
    ('ctr', 'time', e.time_ctr),
    ('conversion', 'recommended', e.recommended_conversion),
    ('conversion', 'time', e.time_conversion)
) AS r (rate, sort, value);

COMMENT ON VIEW recommender.guardrail_gauges IS
'Rows as recommender.gauges has them (name, labels, value, help): evaluations by action, the age of the last one, and the rates it saw. None before the first evaluation.';
