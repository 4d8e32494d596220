-- One row is one event with registrations: how many seats are taken.

CREATE OR REPLACE VIEW recommender.event_seats AS
SELECT
    r.event_id,
    count(*) AS seats_taken
FROM recommender.source_registrations AS r
GROUP BY r.event_id;

COMMENT ON VIEW recommender.event_seats IS
'One row is one event that somebody is registered for: seats taken at recommender.as_of(). Events without registrations have no row.';
