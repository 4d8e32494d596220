-- One row once there are twins: the moment they speak for.
--
-- The moment is kept in a table, not in a materialized view: reading it must not hold a lock that
-- a refresh waits for.

CREATE OR REPLACE VIEW recommender.snapshot_moment AS
SELECT
    s.as_of,
    s.refreshed_at
FROM public.recommender_snapshot AS s;

COMMENT ON VIEW recommender.snapshot_moment IS
'At most one row: as_of is the moment the *_snapshot relations were built for, refreshed_at when that was done; no row before the first recommender.refresh_features().';
