-- What a student's clicks speak for: one row is one tag, category or city.

CREATE OR REPLACE FUNCTION recommender._learned_interests(p_user_id integer)
RETURNS TABLE (kind text, name text, weight double precision, last_seen_at timestamptz)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
BEGIN
    RETURN QUERY
    WITH signals AS (
        SELECT 'tag' AS kind, t.tag AS attribute, s.name, t.score, t.last_seen_at
        FROM recommender.source_implicit_tags AS t
        INNER JOIN recommender.source_tags AS s ON s.tag_id = t.tag_id
        WHERE t.user_id = p_user_id
        UNION ALL
        SELECT 'category', c.category, NULL, c.score, c.last_seen_at
        FROM recommender.source_implicit_categories AS c
        WHERE c.user_id = p_user_id
        UNION ALL
        SELECT 'city', c.city, NULL, c.score, c.last_seen_at
        FROM recommender.source_implicit_cities AS c
        WHERE c.user_id = p_user_id
    ),

    weighed_signals AS (
        SELECT
            s.kind,
            s.attribute,
            min(s.name) AS name,
            max(recommender.attribute_weight(
                'implicit',
                s.score,
                s.last_seen_at,
                recommender.as_of(),
                p.decay_half_life_hours,
                p.implicit_score_cap
            )) AS weight,
            max(s.last_seen_at) AS last_seen_at
        FROM signals AS s
        CROSS JOIN recommender.parameters AS p
        GROUP BY s.kind, s.attribute
        ORDER BY 4 DESC, 1, 2
        LIMIT 50
    ),

    -- Categories and cities are stored as they are compared; events have them as people write them.
    spellings AS (
        SELECT
            'category' AS kind,
            e.category AS attribute,
            btrim(mode() WITHIN GROUP (ORDER BY e.category_name)) AS name
        FROM recommender.source_events AS e
        WHERE e.start_time >= (SELECT recommender.as_of())
        GROUP BY e.category
        UNION ALL
        SELECT
            'city',
            e.city,
            btrim(mode() WITHIN GROUP (ORDER BY e.city_name))
        FROM recommender.source_events AS e
        WHERE e.start_time >= (SELECT recommender.as_of())
        GROUP BY e.city
    )

    SELECT
        w.kind,
        coalesce(w.name, s.name, w.attribute),
        w.weight,
        w.last_seen_at
    FROM weighed_signals AS w
    LEFT JOIN spellings AS s ON s.kind = w.kind AND s.attribute = w.attribute
    WHERE w.weight > 0;
END;
$$;

COMMENT ON FUNCTION recommender._learned_interests(integer) IS
'The student''s 50 heaviest implicit interests at recommender.as_of(): kind (tag, category or city), name as it is written, weight (the decayed score over the cap, above 0, at most 1) and last_seen_at.';
