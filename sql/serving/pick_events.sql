-- What a student is shown now, and where each event comes from.

CREATE OR REPLACE FUNCTION recommender.pick_events(
    p_user_id integer, p_top_n integer DEFAULT 10, p_language text DEFAULT NULL
)
RETURNS TABLE (place integer, event_id integer, source text, reason text)
LANGUAGE plpgsql
STABLE
ROWS 10
AS $$
BEGIN
    PERFORM recommender._validate_top_n(p_top_n);
    IF NOT EXISTS (SELECT FROM recommender.source_students AS s WHERE s.user_id = p_user_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER020',
            MESSAGE = format('there is no student %s', coalesce(p_user_id::text, 'NULL')),
            HINT = 'lists are for users whose role is student';
    END IF;
    RETURN QUERY
    SELECT
        e.place::integer,
        e.event_id,
        CASE
            WHEN e.place <= p.listed_count THEN 'list'
            WHEN e.place <= p.listed_count + p.tagged_count THEN 'tags'
            ELSE 'popular'
        END,
        e.reason
    FROM recommender.source_students AS s
    CROSS JOIN LATERAL recommender._pick(
        p_user_id, p_top_n, recommender._home_city(p_user_id, s.city),
        recommender.choose_language(coalesce(p_language, s.language))
    ) AS p
    CROSS JOIN LATERAL unnest(p.event_ids, p.reasons)
        WITH ORDINALITY AS e (event_id, reason, place)
    WHERE s.user_id = p_user_id
    ORDER BY e.place;
END;
$$;

COMMENT ON FUNCTION recommender.pick_events(integer, integer, text) IS
'The events a student is shown at recommender.as_of(), top_n of them while that many are eligible, none twice: first those of the fresh list by rank (source list), then those with most tags of the student''s interests and history (source tags), then by seats taken (source popular); never one that has started, is full, unpublished or deleted, that the student is registered for, has a hidden tag or a blocked organizer. reason is in p_language (NULL: the student''s). Writes nothing. Raises ER003 for a top_n out of bounds, ER020 for somebody who is not a student.';
