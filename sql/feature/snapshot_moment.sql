-- One row: the moment the stored twins speak for.

CREATE MATERIALIZED VIEW IF NOT EXISTS recommender.snapshot_moment AS
SELECT
    recommender.as_of() AS as_of,
    now() AS refreshed_at;

COMMENT ON MATERIALIZED VIEW recommender.snapshot_moment IS
'One row: as_of is the moment the *_snapshot relations were built for, refreshed_at when that was done.';
