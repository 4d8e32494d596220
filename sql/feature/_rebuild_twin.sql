-- Rebuilds one stored twin, with its owner's right: PostgreSQL 15 and 16 let nobody else refresh.

CREATE OR REPLACE FUNCTION recommender._rebuild_twin(p_twin text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    CASE p_twin
        WHEN 'event_attributes_snapshot' THEN
            REFRESH MATERIALIZED VIEW CONCURRENTLY recommender.event_attributes_snapshot;
        WHEN 'user_attribute_sources_snapshot' THEN
            REFRESH MATERIALIZED VIEW recommender.user_attribute_sources_snapshot;
        WHEN 'upcoming_attributes_snapshot' THEN
            REFRESH MATERIALIZED VIEW CONCURRENTLY recommender.upcoming_attributes_snapshot;
        WHEN 'user_profiles_snapshot' THEN
            REFRESH MATERIALIZED VIEW recommender.user_profiles_snapshot;
    END CASE;
END;
$$;

REVOKE ALL ON FUNCTION recommender._rebuild_twin(text) FROM public;

COMMENT ON FUNCTION recommender._rebuild_twin(text) IS
'Refreshes the materialized view of this name for recommender.as_of(), as its owner; the caller holds the lock and notes the moment. Raises 20000 for any other name. Not for PUBLIC.';
