-- The stored twin of user_attribute_sources, for bulk work. It holds what does not age: the raw
-- implicit score and when it was last seen; decay is computed when it is read.

CREATE MATERIALIZED VIEW IF NOT EXISTS recommender.user_attribute_sources_snapshot AS
SELECT DISTINCT
    s.user_id,
    s.feature,
    s.attribute,
    s.source,
    s.score,
    s.last_seen_at
FROM recommender.user_attribute_sources AS s
ORDER BY s.user_id, s.feature, s.attribute, s.source, s.score, s.last_seen_at;

-- One student's attributes, side by side in the table.
CREATE INDEX IF NOT EXISTS user_attribute_sources_snapshot_user_idx
ON recommender.user_attribute_sources_snapshot (user_id);

COMMENT ON MATERIALIZED VIEW recommender.user_attribute_sources_snapshot IS
'user_attribute_sources without repeats, as of recommender.snapshot_moment; refreshed by recommender.refresh_features().';
