-- One row is what one student was shown of the events list in one sort, clicked and registered for.

CREATE OR REPLACE FUNCTION recommender._guardrail_students(
    p_from timestamptz, p_to timestamptz, p_window_hours integer
)
RETURNS TABLE (
    variant text, user_id integer, impressions bigint, clicks bigint, conversions bigint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        CASE WHEN t.is_recommended THEN 'recommended' ELSE 'time' END AS variant,
        t.user_id,
        count(*) FILTER (WHERE NOT t.is_click) AS impressions,
        count(*) FILTER (WHERE t.is_click) AS clicks,
        count(*) FILTER (WHERE t.is_converted) AS conversions
    FROM recommender._guardrail_traffic(p_from, p_to, p_window_hours) AS t
    GROUP BY t.user_id, t.is_recommended;
END;

COMMENT ON FUNCTION recommender._guardrail_students(timestamptz, timestamptz, integer) IS
'What guardrails count, from p_from to p_to (both included): a row for each variant (recommended or time) and student with any impression or click of recommender._guardrail_traffic, and how many there are; conversions are clicks that were converted.';
