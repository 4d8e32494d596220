-- Rebuilds one stored twin, with its owner's right: PostgreSQL 15 and 16 let nobody else refresh.
--
-- work_mem: half a million rows are sorted by whoever holds the one lock there is for it, and what
-- fits into memory is not written out and read back.
-- REFRESH … CONCURRENTLY sorts whole rows twice, also when all of them are as they were: a
-- comparison by the key costs less than a tenth of that.

CREATE OR REPLACE FUNCTION recommender._rebuild_twin(p_twin text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET work_mem = '128MB'
AS $$
BEGIN
    CASE p_twin
        WHEN 'event_attributes_snapshot' THEN
            IF EXISTS (
                SELECT
                FROM recommender.event_attributes AS a
                FULL JOIN recommender.event_attributes_snapshot AS t
                    ON t.event_id = a.event_id
                    AND t.feature = a.feature
                    AND t.attribute = a.attribute
                WHERE t.value IS DISTINCT FROM a.value
            ) THEN
                REFRESH MATERIALIZED VIEW CONCURRENTLY recommender.event_attributes_snapshot;
            END IF;
        WHEN 'user_attribute_sources_snapshot' THEN
            REFRESH MATERIALIZED VIEW recommender.user_attribute_sources_snapshot;
        WHEN 'upcoming_attributes_snapshot' THEN
            IF EXISTS (
                SELECT
                FROM recommender.upcoming_attributes AS a
                FULL JOIN recommender.upcoming_attributes_snapshot AS t
                    ON t.event_id = a.event_id
                    AND t.feature = a.feature
                    AND t.attribute = a.attribute
                WHERE t.value IS DISTINCT FROM a.value
            ) THEN
                REFRESH MATERIALIZED VIEW CONCURRENTLY recommender.upcoming_attributes_snapshot;
            END IF;
        WHEN 'user_profiles_snapshot' THEN
            REFRESH MATERIALIZED VIEW recommender.user_profiles_snapshot;
    END CASE;
END;
$$;

REVOKE ALL ON FUNCTION recommender._rebuild_twin(text) FROM public;

COMMENT ON FUNCTION recommender._rebuild_twin(text) IS
'Refreshes the materialized view of this name for recommender.as_of(), as its owner; the caller holds the lock and notes the moment. Raises 20000 for any other name. Not for PUBLIC.';
