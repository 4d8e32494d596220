-- One row is one reason why a student has a city or a category that the app keeps as a text.
--
-- Apart from user_attribute_sources, because its twin reads these as they are, and the rest in
-- another shape.

CREATE OR REPLACE VIEW recommender.user_text_sources AS
SELECT
    c.user_id,
    'same_city'::text AS feature,
    c.city AS attribute,
    c.source,
    NULL::double precision AS score,
    NULL::timestamptz AS last_seen_at
FROM recommender.user_home_cities AS c
UNION ALL
SELECT
    c.user_id,
    'same_city'::text AS feature,
    c.city AS attribute,
    'implicit'::text AS source,
    c.score,
    c.last_seen_at
FROM recommender.source_implicit_cities AS c
UNION ALL
SELECT
    i.user_id,
    'category_match'::text AS feature,
    i.category AS attribute,
    'search'::text AS source,
    NULL::double precision AS score,
    NULL::timestamptz AS last_seen_at
FROM recommender.source_intents AS i
WHERE i.category IS NOT NULL
UNION ALL
SELECT
    c.user_id,
    'category_match'::text AS feature,
    c.category AS attribute,
    'implicit'::text AS source,
    c.score,
    c.last_seen_at
FROM recommender.source_implicit_categories AS c;

COMMENT ON VIEW recommender.user_text_sources IS
'One row is one reason why a user has an attribute that is neither a tag nor of an event in the history: home city, implicit cities, categories looked for, implicit categories. source is profile, search, implicit_home (each weighs 1) or implicit (score and last_seen_at say how much; NULL otherwise). Rows may repeat.';
