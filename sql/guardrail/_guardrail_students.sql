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
    WITH sorted_rows AS (
        SELECT
            i.id,
            i.user_id,
            i.event_id,
            i.interaction_type,
            i.occurred_at,
            i.meta ->> 'source' AS source,
            -- Most clients write these as they are, and normalize_text costs more than the rest.
            CASE WHEN i.meta ->> 'sort' IN ('recommended', 'time')
                THEN i.meta ->> 'sort'
                ELSE recommender.normalize_text(i.meta ->> 'sort')
            END AS variant
        FROM recommender.source_interactions AS i
        WHERE
            i.occurred_at BETWEEN p_from AND p_to
            AND i.interaction_type IN ('impression', 'click', 'register')
            AND i.user_id IS NOT NULL
            AND i.event_id IS NOT NULL
    ),

    counted_rows AS (
        SELECT
            s.id,
            s.user_id,
            s.event_id,
            s.interaction_type,
            s.occurred_at,
            -- A million rows are sorted by it: text takes twice as long.
            s.variant = 'recommended' AS is_recommended
        FROM sorted_rows AS s
        WHERE
            s.interaction_type = 'register'
            OR (
                s.variant IN ('recommended', 'time')
                AND (
                    s.source = 'events_list'
                    OR recommender.normalize_text(s.source) = 'events_list'
                )
            )
    ),

    numbered_rows AS (
        -- A register has the number of the last click before it, or at the same moment.
        SELECT
            r.user_id,
            r.event_id,
            r.interaction_type,
            r.occurred_at,
            r.is_recommended,
            count(*) FILTER (WHERE r.interaction_type = 'click') OVER (
                PARTITION BY r.user_id, r.event_id
                ORDER BY r.occurred_at, r.interaction_type = 'register', r.id
            ) AS click_number
        FROM counted_rows AS r
        WHERE r.interaction_type IN ('click', 'register')
    ),

    followed_clicks AS (
        SELECT
            n.user_id,
            bool_or(n.is_recommended) FILTER (
                WHERE n.interaction_type = 'click'
            ) AS is_recommended,
            coalesce(
                min(n.occurred_at) FILTER (WHERE n.interaction_type = 'register')
                <= max(n.occurred_at) FILTER (WHERE n.interaction_type = 'click')
                + make_interval(hours => p_window_hours),
                false
            ) AS is_converted
        FROM numbered_rows AS n
        WHERE n.click_number > 0
        GROUP BY n.user_id, n.event_id, n.click_number
    ),

    counts AS (
        SELECT
            r.user_id,
            r.is_recommended,
            count(*) AS impressions,
            0::bigint AS clicks,
            0::bigint AS conversions
        FROM counted_rows AS r
        WHERE r.interaction_type = 'impression'
        GROUP BY r.user_id, r.is_recommended
        UNION ALL
        SELECT
            f.user_id,
            f.is_recommended,
            0::bigint AS impressions,
            count(*) AS clicks,
            count(*) FILTER (WHERE f.is_converted) AS conversions
        FROM followed_clicks AS f
        GROUP BY f.user_id, f.is_recommended
    )

    SELECT
        CASE WHEN c.is_recommended THEN 'recommended' ELSE 'time' END AS variant,
        c.user_id,
        sum(c.impressions)::bigint AS impressions,
        sum(c.clicks)::bigint AS clicks,
        sum(c.conversions)::bigint AS conversions
    FROM counts AS c
    GROUP BY c.user_id, c.is_recommended;
END;

COMMENT ON FUNCTION recommender._guardrail_students(timestamptz, timestamptz, integer) IS
'What guardrails count, from p_from to p_to (both included): a row for each variant (recommended or time: the sort of the events list, meta.source events_list, both normalised) and student with any. A click is converted by a register for the same event, of any source, that is not later than p_window_hours after it and has no other counted click in between: a register counts once, for the last click before it, and a click is converted once. Rows without student or event do not count.';
