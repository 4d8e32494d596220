-- What a student is shown now, as JSON.

CREATE OR REPLACE FUNCTION recommender._student_items(p_student_id integer)
RETURNS json
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN (
        SELECT coalesce(
            json_agg(
                json_build_object(
                    'place', k.place,
                    'rank', r.rank,
                    'event_id', k.event_id,
                    'title', e.title,
                    'start_time', e.start_time,
                    'source', k.source,
                    'score', r.score,
                    'reason', k.reason
                )
                ORDER BY k.place
            ),
            '[]'
        )
        FROM recommender.pick_events(p_student_id, 20) AS k
        INNER JOIN recommender.source_events AS e ON e.event_id = k.event_id
        LEFT JOIN public.user_recommendations AS r
            ON r.user_id = p_student_id AND r.event_id = k.event_id AND k.source = 'list'
    );
END;
$$;

COMMENT ON FUNCTION recommender._student_items(integer) IS
'The first 20 of recommender.pick_events in the student''s language as an array: place, event_id, title, start_time, source (list, tags, popular), reason, and of those from the list rank and score as stored (null: not from the list).';
