-- One row once there are twins: the moment they speak for.
--
-- The moment is kept in a table, not in a materialized view: reading it must not hold a lock that
-- a refresh waits for.

CREATE OR REPLACE VIEW recommender.snapshot_moment AS
SELECT
    s.as_of,
    s.refreshed_at,
    s.upcoming_as_of,
    s.upcoming_refreshed_at,
    s.is_extended,
    s.upcoming_is_extended
FROM public.recommender_snapshot AS s;

COMMENT ON VIEW recommender.snapshot_moment IS
'At most one row: as_of is the moment event_attributes_snapshot and user_attribute_sources_snapshot were built for, refreshed_at when that was done; upcoming_as_of and upcoming_refreshed_at say it of upcoming_attributes_snapshot. NULL, or no row, before the first time. is_extended and upcoming_is_extended say whether they hold the extended features.';
