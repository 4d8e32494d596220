-- How each sort of the events list did: one row is one variant, both are always there.

CREATE OR REPLACE FUNCTION recommender.guardrail_metrics(
    p_from timestamptz, p_to timestamptz, p_window_hours integer DEFAULT 72
)
RETURNS TABLE (
    variant text,
    impressions bigint,
    clicks bigint,
    conversions bigint,
    ctr double precision,
    conversion double precision
)
LANGUAGE sql
STABLE
ROWS 2
BEGIN ATOMIC
    SELECT
        v.variant,
        c.impressions,
        c.clicks,
        c.conversions,
        coalesce(c.clicks::double precision / nullif(c.impressions, 0), 0) AS ctr,
        coalesce(c.conversions::double precision / nullif(c.clicks, 0), 0) AS conversion
    FROM (VALUES ('recommended'), ('time')) AS v (variant)
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(s.impressions), 0)::bigint AS impressions,
            coalesce(sum(s.clicks), 0)::bigint AS clicks,
            coalesce(sum(s.conversions), 0)::bigint AS conversions
        FROM recommender._guardrail_students(p_from, p_to, p_window_hours) AS s
        WHERE s.variant = v.variant
    ) AS c
    ORDER BY v.variant;
END;

COMMENT ON FUNCTION recommender.guardrail_metrics(timestamptz, timestamptz, integer) IS
'What guardrails compare: impressions, clicks and conversions of signed-in users in the events list from p_from to p_to (both inclusive) by its sort, recommended or time; ctr = clicks / impressions, conversion = conversions / clicks, 0 where there is nothing to divide by. A registration is the conversion of the last click before it, at most p_window_hours old.';
