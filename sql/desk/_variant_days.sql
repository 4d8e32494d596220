-- How each sort of the events list did, day by day, as guardrails count it.

CREATE OR REPLACE FUNCTION recommender._variant_days(
    p_from timestamptz, p_to timestamptz, p_window_hours integer
)
RETURNS TABLE (
    date date, variant text, impressions bigint, clicks bigint, conversions bigint
)
LANGUAGE sql
STABLE
BEGIN ATOMIC
    WITH counted_days AS (
        SELECT
            (t.occurred_at AT TIME ZONE 'UTC')::date AS day,
            t.is_recommended,
            count(*) FILTER (WHERE NOT t.is_click) AS impressions,
            count(*) FILTER (WHERE t.is_click) AS clicks,
            count(*) FILTER (WHERE t.is_converted) AS conversions
        FROM recommender._guardrail_traffic(p_from, p_to, p_window_hours) AS t
        GROUP BY (t.occurred_at AT TIME ZONE 'UTC')::date, t.is_recommended
    ),

    days AS (
        SELECT x.first_day + n.day_no AS day
        FROM (
            SELECT
                (p_from AT TIME ZONE 'UTC')::date AS first_day,
                (p_to AT TIME ZONE 'UTC')::date AS last_day
        ) AS x
        CROSS JOIN LATERAL generate_series(0, x.last_day - x.first_day) AS n (day_no)
    )

    SELECT
        d.day AS date,
        v.variant,
        coalesce(c.impressions, 0) AS impressions,
        coalesce(c.clicks, 0) AS clicks,
        coalesce(c.conversions, 0) AS conversions
    FROM days AS d
    CROSS JOIN (VALUES ('recommended', true), ('time', false)) AS v (variant, is_recommended)
    LEFT JOIN counted_days AS c ON c.day = d.day AND c.is_recommended = v.is_recommended
    ORDER BY d.day, v.variant;
END;

COMMENT ON FUNCTION recommender._variant_days(timestamptz, timestamptz, integer) IS
'One row is one UTC date and variant, recommended or time, both on every day: the impressions and clicks of that day, and how many of those clicks were converted by p_to, whenever that was. A conversion belongs to the day of its click, so that the days add up to recommender.guardrail_metrics of the same bounds (both inclusive) and window; the last days may still gain some.';
