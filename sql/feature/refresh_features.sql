-- Builds the stored twins again, for recommender.as_of(); two at once take turns.

CREATE OR REPLACE FUNCTION recommender.refresh_features()
RETURNS timestamptz
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(recommender._lock_key('refresh_features'));
    REFRESH MATERIALIZED VIEW CONCURRENTLY recommender.event_attributes_snapshot;
    -- The moment before the users: in the order in which a batch reads and so locks them, or
    -- two runs at once would wait for each other.
    REFRESH MATERIALIZED VIEW recommender.snapshot_moment;
    REFRESH MATERIALIZED VIEW recommender.user_attribute_sources_snapshot;
    RETURN (SELECT m.as_of FROM recommender.snapshot_moment AS m);
END;
$$;

COMMENT ON FUNCTION recommender.refresh_features() IS
'Rebuilds event_attributes_snapshot (readers go on), snapshot_moment and user_attribute_sources_snapshot for recommender.as_of(), in this order, in the caller''s transaction; calls at the same time take turns. Returns the moment. Only the owner may call it.';
