-- What a student did last, as JSON. What was merely shown would bury it.

CREATE OR REPLACE FUNCTION recommender._student_interactions(p_student_id integer)
RETURNS json
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT coalesce(
        json_agg(
            json_build_object(
                'occurred_at', i.occurred_at,
                'interaction_type', i.interaction_type,
                'event_id', i.event_id,
                'title', e.title,
                'meta', i.meta
            )
            ORDER BY i.occurred_at DESC, i.id DESC
        ),
        '[]'
    )
    FROM (
        SELECT
            s.id,
            s.occurred_at,
            s.interaction_type,
            s.event_id,
            s.meta
        FROM recommender.source_interactions AS s
        -- What retention kept stands for several.
        WHERE
            s.user_id = p_student_id
            AND s.id IS NOT NULL
            AND s.interaction_type <> 'impression'
        ORDER BY s.occurred_at DESC, s.id DESC
        LIMIT 20
    ) AS i
    LEFT JOIN recommender.source_events AS e ON e.event_id = i.event_id;
END;

COMMENT ON FUNCTION recommender._student_interactions(integer) IS
'The last 20 interactions of a student, impressions left out, by recommender.as_of() as an array, the latest first: occurred_at, interaction_type, event_id (null: search, filter), title (null: the event is deleted) and meta.';
