-- The event's half of the lists, by attribute: what one student's refresh reads.
--
-- Every event that could be recommended but for its seats has a row popularity, whatever else it
-- has: an event without one became known later. All is of one statement's snapshot, so that no
-- event is there with its popularity and without its attributes.

CREATE MATERIALIZED VIEW IF NOT EXISTS recommender.upcoming_attributes_snapshot AS
SELECT
    x.event_id,
    x.feature,
    x.attribute,
    x.value
FROM (
    SELECT
        a.event_id,
        a.feature,
        a.attribute,
        a.value
    FROM recommender.event_attributes AS a
    UNION ALL
    SELECT
        f.event_id,
        'popularity' AS feature,
        '' AS attribute,
        f.popularity AS value
    FROM recommender.event_features AS f
) AS x
-- As an array they reach the base tables through the GROUP BY of event_attributes.
WHERE x.event_id = ANY (ARRAY(  -- noqa: CP03, LT01, LT06
    SELECT e.event_id
    FROM recommender.source_events AS e
    WHERE e.is_published AND e.is_known AND e.start_time >= (SELECT recommender.as_of())
))
ORDER BY x.feature, x.attribute, x.event_id;

-- The events that have one of a student's attributes; what REFRESH … CONCURRENTLY compares by.
CREATE UNIQUE INDEX IF NOT EXISTS upcoming_attributes_snapshot_key
ON recommender.upcoming_attributes_snapshot (attribute, feature, event_id) INCLUDE (value);

COMMENT ON MATERIALIZED VIEW recommender.upcoming_attributes_snapshot IS
'event_attributes of the events that were published, known and not started at the moment upcoming_as_of of recommender.snapshot_moment, value included, and for each of them feature popularity with an empty attribute and the popularity as value; refreshed by recommender.refresh_upcoming_events().';
