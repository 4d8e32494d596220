-- How the events list did, day by day: what was shown, clicked and registered for.
--
-- Planned for the days asked for: partitions of other months are not opened. How many rows are
-- left, the planner cannot tell (one bound is a sub-select of the view): it would rather sort them
-- all than count them into a few hundred days.

CREATE OR REPLACE FUNCTION recommender.metrics(p_days integer DEFAULT 30)
RETURNS TABLE (
    date date,
    impressions bigint,
    clicks bigint,
    registrations bigint,
    ctr double precision,
    registration_conversion double precision
)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_custom_plan'
SET jit = 'off'
SET enable_sort = 'off'
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_last date := (v_as_of AT TIME ZONE 'UTC')::date;
    v_from timestamptz;
BEGIN
    IF (p_days BETWEEN 1 AND 365) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER050',
            MESSAGE = format('the number of days is %s', coalesce(p_days::text, 'NULL')),
            HINT = 'give a number of days from 1 to 365';
    END IF;
    v_from := (v_last - p_days + 1)::timestamp AT TIME ZONE 'UTC';
    RETURN QUERY
    WITH interactions AS (
        SELECT
            (i.occurred_at AT TIME ZONE 'UTC')::date AS day,
            i.interaction_type,
            i.meta ->> 'source' AS source
        FROM recommender.source_interactions AS i
        WHERE
            i.occurred_at BETWEEN v_from AND v_as_of
            -- What retention kept of removed telemetry is no day's traffic.
            AND i.id IS NOT NULL
            AND i.interaction_type IN ('impression', 'click', 'register')
    ),

    counted_days AS (
        SELECT
            i.day,
            count(*) FILTER (WHERE i.interaction_type = 'impression' AND x.is_listed)
                AS impressions,
            count(*) FILTER (WHERE i.interaction_type = 'click' AND x.is_listed) AS clicks,
            count(*) FILTER (WHERE i.interaction_type = 'register') AS registrations
        FROM interactions AS i
        CROSS JOIN LATERAL (
            SELECT
                i.source = 'events_list'
                OR recommender.normalize_text(i.source) = 'events_list' AS is_listed
        ) AS x
        GROUP BY i.day
    )

    SELECT
        d.day,
        coalesce(c.impressions, 0),
        coalesce(c.clicks, 0),
        coalesce(c.registrations, 0),
        coalesce(c.clicks::double precision / nullif(c.impressions, 0), 0),
        coalesce(c.registrations::double precision / nullif(c.clicks, 0), 0)
    FROM (
        SELECT v_last - p_days + n.day_no AS day
        FROM generate_series(1, p_days) AS n (day_no)
    ) AS d
    LEFT JOIN counted_days AS c ON c.day = d.day
    ORDER BY d.day;
END;
$$;

COMMENT ON FUNCTION recommender.metrics(integer) IS
'One row is one UTC date, the oldest first: the last p_days (1 to 365) up to the day of recommender.as_of(), which is counted up to that moment; days without traffic are rows of zeros. impressions and clicks are those of everybody, visitors too, whose meta has source events_list (normalised), whatever the sort; registrations are all interactions of type register, which carry no source of their own. ctr is clicks / impressions, registration_conversion registrations / clicks, 0 where there is nothing to divide by; no registration is traced back to its click here, as the guardrails do. Raises ER050 for a number of days out of bounds.';
