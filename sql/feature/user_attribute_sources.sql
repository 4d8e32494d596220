-- One row is one reason why a student has an attribute: the student's half, before weighing.
--
-- One UNION ALL without a GROUP BY of its own, so that a user_id reaches every base table and the
-- one GROUP BY of user_attributes does all the grouping.

CREATE OR REPLACE VIEW recommender.user_attribute_sources AS
SELECT
    t.user_id,
    'overlap_interest_ratio'::text AS feature,
    t.tag AS attribute,
    'interest'::text AS source,
    NULL::double precision AS score,
    NULL::timestamptz AS last_seen_at
FROM recommender.source_interest_tags AS t
UNION ALL
SELECT
    t.user_id,
    'overlap_interest_ratio'::text AS feature,
    t.tag AS attribute,
    'implicit'::text AS source,
    t.score,
    t.last_seen_at
FROM recommender.source_implicit_tags AS t
UNION ALL
SELECT
    h.user_id,
    'overlap_history_ratio'::text AS feature,
    et.tag AS attribute,
    'history'::text AS source,
    NULL::double precision AS score,
    NULL::timestamptz AS last_seen_at
FROM recommender.history AS h
INNER JOIN recommender.source_event_tags AS et ON et.event_id = h.event_id
UNION ALL
SELECT
    h.user_id,
    a.feature,
    a.attribute,
    'history'::text AS source,
    NULL::double precision AS score,
    NULL::timestamptz AS last_seen_at
FROM recommender.history AS h
CROSS JOIN LATERAL (
    VALUES ('category_match', h.category), ('organizer_match', h.organizer_id::text)
) AS a (feature, attribute)
WHERE a.attribute IS NOT NULL
UNION ALL
SELECT
    x.user_id,
    x.feature,
    x.attribute,
    x.source,
    x.score,
    x.last_seen_at
FROM recommender.user_text_sources AS x
UNION ALL
SELECT
    v.user_id,
    v.feature,
    v.attribute,
    'attendance'::text AS source,
    v.weight AS score,
    NULL::timestamptz AS last_seen_at
FROM recommender.attendance_attributes AS v
WHERE (SELECT recommender._has_extended_features());

COMMENT ON VIEW recommender.user_attribute_sources IS
'One row is one reason why a user has an attribute: source is interest, history, profile, search, implicit_home (each weighs 1), implicit (score and last_seen_at say how much) or, where extended features are asked for, attendance (score is the weight of attendance_attributes); score and last_seen_at are NULL otherwise. Rows may repeat; attribute is never NULL.';
