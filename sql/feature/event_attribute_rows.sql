-- One row is one attribute of one event, without its value: plain joins, so that an event_id
-- found by a join reaches the base tables (a GROUP BY or window would take constants only).

CREATE OR REPLACE VIEW recommender.event_attribute_rows AS
SELECT
    et.event_id,
    'overlap_history_ratio'::text AS feature,
    et.tag AS attribute
FROM recommender.source_event_tags AS et
UNION ALL
SELECT
    e.event_id,
    'category_match'::text AS feature,
    e.category AS attribute
FROM recommender.source_events AS e
WHERE e.category IS NOT NULL
UNION ALL
SELECT
    e.event_id,
    'organizer_match'::text AS feature,
    e.organizer_id::text AS attribute
FROM recommender.source_events AS e
WHERE e.organizer_id IS NOT NULL;

COMMENT ON VIEW recommender.event_attribute_rows IS
'One row is one attribute an event leaves in the history of a student who goes there: its tags (a tag may come twice), category and organizer, under the feature that reads it.';
