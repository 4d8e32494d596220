-- One row is one attribute of one event and its value: the event's half of the base features.

CREATE OR REPLACE VIEW recommender.event_base_attributes AS
WITH distinct_tags AS (
    SELECT
        et.event_id,
        et.tag
    FROM recommender.source_event_tags AS et
    INNER JOIN recommender.source_events AS e ON e.event_id = et.event_id
    GROUP BY et.event_id, et.tag
),

tag_shares AS (
    SELECT
        d.event_id,
        d.tag,
        1.0::double precision / count(*) OVER (PARTITION BY d.event_id) AS share
    FROM distinct_tags AS d
)

SELECT
    s.event_id,
    f.feature,
    s.tag AS attribute,
    s.share AS value
FROM tag_shares AS s
CROSS JOIN (VALUES ('overlap_interest_ratio'), ('overlap_history_ratio')) AS f (feature)
UNION ALL
SELECT
    e.event_id,
    a.feature,
    a.attribute,
    1.0::double precision AS value
FROM recommender.source_events AS e
CROSS JOIN LATERAL (
    VALUES
    ('same_city', e.city),
    ('category_match', e.category),
    ('organizer_match', e.organizer_id::text)
) AS a (feature, attribute)
WHERE a.attribute IS NOT NULL;

COMMENT ON VIEW recommender.event_base_attributes IS
'One row is one attribute of one event that is not deleted in a feature of the reference: (event_id, feature, attribute) is unique, none is NULL. value is 1 / number of distinct tags for the two tag features, else 1.';
