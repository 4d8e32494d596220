-- An event in an answer.

CREATE OR REPLACE FUNCTION recommender._event_json(
    p_card recommender.event_cards, p_reason text
)
RETURNS json
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT json_build_object(
        'id', (p_card).id,
        'title', (p_card).title,
        'description', (p_card).description,
        'category', (p_card).category,
        'start_time', (p_card).start_time,
        'end_time', (p_card).end_time,
        'city', (p_card).city,
        'location', (p_card).location,
        'max_seats', (p_card).max_seats,
        'cover_url', (p_card).cover_url,
        'owner_id', (p_card).owner_id,
        'owner_name', (p_card).owner_name,
        'tags', (p_card).tags,
        'seats_taken', (p_card).seats_taken,
        'recommendation_reason', p_reason,
        'status', (p_card).status,
        'publish_at', (p_card).publish_at
    );
END;

COMMENT ON FUNCTION recommender._event_json(recommender.event_cards, text) IS
'The fields of an event in an answer, with the reason it is recommended (NULL: it is not).';
