-- One row is one thing a student's list depends on that is read live when it is scored, as a hash.

CREATE OR REPLACE VIEW recommender._live_hashes AS
SELECT
    r.user_id,
    r.event_id,
    hashint8extended(r.event_id, 1) AS hash
FROM recommender.source_registrations AS r
GROUP BY r.user_id, r.event_id
UNION ALL
SELECT
    s.user_id,
    NULL::integer AS event_id,
    hashtextextended(coalesce(s.language, ''), 2) AS hash
FROM recommender.source_students AS s;

COMMENT ON VIEW recommender._live_hashes IS
'One row is one event a user is registered for, or (event_id NULL) the language of a student, as a 64-bit hash.';
