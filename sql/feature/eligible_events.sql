-- One row is one event that may be recommended at the moment.

CREATE OR REPLACE VIEW recommender.eligible_events AS
SELECT
    e.event_id,
    e.start_time,
    s.seats_taken,
    e.organizer_id,
    e.city,
    e.city_name
FROM recommender.source_events AS e
CROSS JOIN LATERAL (
    SELECT count(*) AS seats_taken
    FROM recommender.source_registrations AS r
    WHERE r.event_id = e.event_id
) AS s
WHERE
    e.is_published
    AND e.is_known
    AND e.start_time >= (SELECT recommender.as_of())
    AND (e.max_seats IS NULL OR s.seats_taken < e.max_seats);

COMMENT ON VIEW recommender.eligible_events IS
'One row is one event that may be recommended at recommender.as_of(): published, its publish_at not in the future, not started, not full, not deleted. organizer_id, city (normalised) and city_name are the event''s. Whether a student is registered is the student''s side.';
