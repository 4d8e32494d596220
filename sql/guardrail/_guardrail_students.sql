-- One row is what one user saw and did in one variant of the events list.

CREATE OR REPLACE FUNCTION recommender._guardrail_students(
    p_from timestamptz, p_to timestamptz, p_window_hours integer
)
RETURNS TABLE (
    variant text, user_id integer, impressions bigint, clicks bigint, conversions bigint
)
LANGUAGE sql
STABLE
BEGIN ATOMIC
    WITH seen AS (
        SELECT
            i.user_id,
            i.event_id,
            i.interaction_type,
            i.occurred_at,
            CASE
                WHEN jsonb_typeof(i.meta -> 'source') = 'string'
                    AND jsonb_typeof(i.meta -> 'sort') = 'string'
                    AND recommender.normalize_text(i.meta ->> 'source') = 'events_list'
                    THEN recommender.normalize_text(i.meta ->> 'sort')
            END AS variant
        FROM recommender.source_interactions AS i
        WHERE
            i.occurred_at >= p_from
            AND i.occurred_at <= p_to
            AND i.interaction_type IN ('impression', 'click', 'register')
            AND i.user_id IS NOT NULL
            AND i.event_id IS NOT NULL
    ),

    counted AS (
        SELECT
            s.user_id,
            s.variant,
            s.interaction_type
        FROM seen AS s
        WHERE s.interaction_type <> 'register' AND s.variant IN ('recommended', 'time')
        UNION ALL
        SELECT
            r.user_id,
            c.variant,
            r.interaction_type
        FROM seen AS r
        CROSS JOIN LATERAL (
            SELECT k.variant, k.occurred_at
            FROM seen AS k
            WHERE
                k.user_id = r.user_id
                AND k.event_id = r.event_id
                AND k.interaction_type = 'click'
                AND k.variant IN ('recommended', 'time')
                AND k.occurred_at <= r.occurred_at
            ORDER BY k.occurred_at DESC
            LIMIT 1
        ) AS c
        WHERE
            r.interaction_type = 'register'
            AND r.occurred_at <= c.occurred_at + p_window_hours * interval '1 hour'
    )

    SELECT
        c.variant,
        c.user_id,
        count(*) FILTER (WHERE c.interaction_type = 'impression') AS impressions,
        count(*) FILTER (WHERE c.interaction_type = 'click') AS clicks,
        count(*) FILTER (WHERE c.interaction_type = 'register') AS conversions
    FROM counted AS c
    GROUP BY c.variant, c.user_id;
END;
