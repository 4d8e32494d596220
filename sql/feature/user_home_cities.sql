-- One row is one student with a home city, and how it is known.
--
-- Most have one in their profile: apart from the others, nothing is looked up for them.

CREATE OR REPLACE VIEW recommender.user_home_cities AS
SELECT
    s.user_id,
    s.city,
    'profile' AS source
FROM recommender.source_students AS s
WHERE s.city IS NOT NULL
UNION ALL
SELECT
    s.user_id,
    coalesce(intent.city, implicit.city) AS city,
    CASE WHEN intent.city IS NOT NULL THEN 'search' ELSE 'implicit_home' END AS source
FROM recommender.source_students AS s
LEFT JOIN LATERAL (
    SELECT i.city
    FROM recommender.source_intents AS i
    WHERE i.user_id = s.user_id AND i.city IS NOT NULL
    ORDER BY i.occurred_at DESC, i.id DESC
    LIMIT 1
) AS intent ON true
LEFT JOIN LATERAL (
    SELECT c.city
    FROM recommender.source_implicit_cities AS c
    CROSS JOIN LATERAL (
        SELECT recommender.decayed_score(
            c.score, c.last_seen_at, (SELECT recommender.as_of()),
            (SELECT p.decay_half_life_hours FROM recommender.parameters AS p),
            (SELECT p.implicit_score_cap FROM recommender.parameters AS p)
        ) AS score
    ) AS d
    WHERE c.user_id = s.user_id AND d.score > 0
    ORDER BY d.score DESC, c.city COLLATE "C"
    LIMIT 1
) AS implicit ON intent.city IS NULL
WHERE s.city IS NULL AND coalesce(intent.city, implicit.city) IS NOT NULL;

COMMENT ON VIEW recommender.user_home_cities IS
'One row is one student whose city is known: from the profile, else from the latest search or filter that named one, else the implicit city with the highest decayed score (ties by name). source is profile, search or implicit_home.';
