-- The stored twin of upcoming_attributes.

CREATE MATERIALIZED VIEW IF NOT EXISTS recommender.upcoming_attributes_snapshot AS
SELECT
    a.event_id,
    a.feature,
    a.attribute,
    a.value
FROM recommender.upcoming_attributes AS a
ORDER BY a.feature, a.attribute, a.event_id;

-- The events that have one of a student's attributes; what REFRESH … CONCURRENTLY compares by.
CREATE UNIQUE INDEX IF NOT EXISTS upcoming_attributes_snapshot_key
ON recommender.upcoming_attributes_snapshot (attribute, feature, event_id) INCLUDE (value);

COMMENT ON MATERIALIZED VIEW recommender.upcoming_attributes_snapshot IS
'event_attributes of the events that were published, known and not started at the moment upcoming_as_of of recommender.snapshot_moment, value included, and for each of them feature popularity with an empty attribute and the popularity as value; refreshed by recommender.refresh_upcoming_events().';
