-- One row is one impression or click that guardrails count, and what became of it.

CREATE OR REPLACE FUNCTION recommender._guardrail_traffic(
    p_from timestamptz, p_to timestamptz, p_window_hours integer
)
RETURNS TABLE (
    user_id integer,
    is_recommended boolean,
    occurred_at timestamptz,
    is_click boolean,
    is_converted boolean
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
            max(n.occurred_at) FILTER (WHERE n.interaction_type = 'click') AS clicked_at,
            coalesce(
                min(n.occurred_at) FILTER (WHERE n.interaction_type = 'register')
                <= max(n.occurred_at) FILTER (WHERE n.interaction_type = 'click')
                + make_interval(hours => p_window_hours),
                false
            ) AS is_converted
        FROM numbered_rows AS n
        WHERE n.click_number > 0
        GROUP BY n.user_id, n.event_id, n.click_number
    )

    SELECT
        r.user_id,
        r.is_recommended,
        r.occurred_at,
        false AS is_click,
        false AS is_converted
    FROM counted_rows AS r
    WHERE r.interaction_type = 'impression'
    UNION ALL
    SELECT
        f.user_id,
        f.is_recommended,
        f.clicked_at,
        true AS is_click,
        f.is_converted
    FROM followed_clicks AS f;
END;

COMMENT ON FUNCTION recommender._guardrail_traffic(timestamptz, timestamptz, integer) IS
'One row is one impression or click (is_click) that counts for a variant, from p_from to p_to (both included): of the events list (meta.source events_list, normalised) with a sort, which is recommended or time (is_recommended), by somebody signed in. A click is converted by a register for the same event, of any source, that is not later than p_window_hours after it and has no other counted click in between: a register counts once, for the last click before it, and a click is converted once. occurred_at is when it was shown or clicked, also of a click that is converted later.';
