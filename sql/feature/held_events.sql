-- One row is one event that took place: what extended features count.

CREATE OR REPLACE VIEW recommender.held_events AS
SELECT
    e.event_id,
    e.organizer_id,
    e.category,
    e.title,
    e.start_time
FROM recommender.source_events AS e
WHERE e.is_published AND e.is_known AND e.start_time < (SELECT recommender.as_of_day());

COMMENT ON VIEW recommender.held_events IS
'One row is one event that was published and had started before recommender.as_of_day().';
