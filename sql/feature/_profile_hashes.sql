-- One row is one thing a student's list depends on, as a hash.
--
-- Made of the twins, whose rows do not repeat: so hashes may be combined by XOR, in any order.

CREATE OR REPLACE VIEW recommender._profile_hashes AS
WITH live_attributes AS (
    SELECT DISTINCT
        a.feature,
        a.attribute
    FROM recommender.upcoming_attributes_snapshot AS a
),

live_events AS (
    SELECT a.event_id
    FROM recommender.upcoming_attributes_snapshot AS a
    WHERE a.feature = 'popularity' AND a.attribute = ''
)

SELECT
    s.user_id,
    hash_record_extended(a, 0) AS hash,
    l.attribute IS NOT NULL AS is_live
FROM recommender.user_attribute_sources_snapshot AS s
CROSS JOIN LATERAL (
    SELECT
        s.feature,
        s.attribute,
        s.source,
        s.score,
        s.last_seen_at
) AS a
LEFT JOIN live_attributes AS l ON l.attribute = s.attribute AND l.feature = s.feature
UNION ALL
SELECT
    r.user_id,
    hashint8extended(r.event_id, 1) AS hash,
    l.event_id IS NOT NULL AS is_live
FROM (
    SELECT DISTINCT
        g.user_id,
        g.event_id
    FROM recommender.source_registrations AS g
) AS r
LEFT JOIN live_events AS l ON l.event_id = r.event_id
UNION ALL
SELECT
    s.user_id,
    hashtextextended(coalesce(s.language, ''), 2) AS hash,
    true AS is_live
FROM recommender.source_students AS s;

COMMENT ON VIEW recommender._profile_hashes IS
'One row is one row of user_attribute_sources_snapshot, one registration or the language of a student, as a 64-bit hash; is_live: upcoming events have it.';
