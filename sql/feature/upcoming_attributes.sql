-- The event's half of the lists, by attribute: what one student's refresh reads, as its twin.
--
-- Every event that could be recommended but for its seats has a row popularity, whatever else it
-- has: an event without one became known later. All is of one statement's snapshot, so that no
-- event is there with its popularity and without its attributes.

CREATE OR REPLACE VIEW recommender.upcoming_attributes AS
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
));

COMMENT ON VIEW recommender.upcoming_attributes IS
'event_attributes of the events that are published, known and not started at recommender.as_of(), and for each of them feature popularity with an empty attribute and the popularity as value: (attribute, feature, event_id) is unique, none is NULL.';
