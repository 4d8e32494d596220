-- The stored twin of event_attributes, for bulk work.

CREATE MATERIALIZED VIEW IF NOT EXISTS recommender.event_attributes_snapshot AS
SELECT
    a.event_id,
    a.feature,
    a.attribute,
    a.value
FROM recommender.event_attributes AS a
ORDER BY a.event_id, a.feature, a.attribute;

-- What REFRESH … CONCURRENTLY compares by; one event's attributes.
CREATE UNIQUE INDEX IF NOT EXISTS event_attributes_snapshot_key
ON recommender.event_attributes_snapshot (event_id, feature, attribute);

COMMENT ON MATERIALIZED VIEW recommender.event_attributes_snapshot IS
'event_attributes as of recommender.snapshot_moment; refreshed by recommender.refresh_features().';
