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
    l.attribute IS NOT NULL AS is_live,
    false AS is_read_live
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
    h.user_id,
    h.hash,
    h.event_id IS NULL OR l.event_id IS NOT NULL AS is_live,
    true AS is_read_live
FROM recommender._live_hashes AS h
LEFT JOIN live_events AS l ON l.event_id = h.event_id;

COMMENT ON VIEW recommender._profile_hashes IS
'One row is one row of user_attribute_sources_snapshot, one registration or the language of a student, as a 64-bit hash; is_live: upcoming events have it; is_read_live: scoring reads it live, not from a twin.';
