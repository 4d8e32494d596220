-- The rates of a variant with their intervals.

CREATE OR REPLACE FUNCTION recommender._variant_rates(
    p_impressions bigint, p_clicks bigint, p_conversions bigint
)
RETURNS TABLE (
    ctr double precision,
    ctr_low double precision,
    ctr_high double precision,
    conversion double precision,
    conversion_low double precision,
    conversion_high double precision
)
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
ROWS 1
BEGIN ATOMIC
    SELECT
        n.clicks::double precision / nullif(n.impressions, 0) AS ctr,
        c.low AS ctr_low,
        c.high AS ctr_high,
        n.conversions::double precision / nullif(n.clicks, 0) AS conversion,
        r.low AS conversion_low,
        r.high AS conversion_high
    FROM (
        SELECT
            p_impressions AS impressions,
            p_clicks AS clicks,
            p_conversions AS conversions
    ) AS n
    CROSS JOIN LATERAL recommender._wilson_interval(n.clicks, n.impressions) AS c
    CROSS JOIN LATERAL recommender._wilson_interval(n.conversions, n.clicks) AS r;
END;

COMMENT ON FUNCTION recommender._variant_rates(bigint, bigint, bigint) IS
'ctr = clicks / impressions and conversion = conversions / clicks, each with the bounds of recommender._wilson_interval; NULL where there is nothing to divide by. One row.';
