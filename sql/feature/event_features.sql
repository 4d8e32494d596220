-- One row is one event with the features that belong to it alone.

CREATE OR REPLACE VIEW recommender.event_features AS
SELECT
    e.event_id,
    1.0::double precision AS bias,
    recommender.popularity(s.seats_taken) AS popularity,
    recommender.days_until(e.start_time, (SELECT recommender.as_of())) AS days_until
FROM recommender.source_events AS e
LEFT JOIN recommender.event_seats AS s ON s.event_id = e.event_id;

COMMENT ON VIEW recommender.event_features IS
'One row is one event that is not deleted, with its own features bias, popularity and days_until at recommender.as_of(); none is NULL.';
