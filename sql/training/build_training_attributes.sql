-- The students' attributes as training may see them (pg_temp.training_attributes): counts of
-- history events instead of yes or no, so that an example's own event can be taken out.

CREATE OR REPLACE FUNCTION recommender.build_training_attributes()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.training_attributes;
    CREATE TEMPORARY TABLE training_attributes AS
    SELECT
        s.user_id,
        s.feature,
        s.attribute,
        sum(s.history_count)::integer AS history_count,
        bool_or(s.source IN ('interest', 'profile')) AS is_stated,
        bool_or(s.source = 'search') AS is_searched,
        bool_or(s.source = 'implicit_home') AS is_implicit_home,
        coalesce(max(s.weight) FILTER (WHERE s.source = 'implicit'), 0) AS implicit_weight,
        0::double precision AS rival_weight
    FROM (
        SELECT
            p.user_id,
            a.feature,
            a.attribute,
            'history' AS source,
            0::double precision AS weight,
            1 AS history_count
        FROM pg_temp.training_pairs AS p
        INNER JOIN pg_temp.training_event_attributes AS a ON a.event_id = p.event_id
        WHERE
            p.label = 1 AND NOT p.is_holdout
            AND a.feature IN ('overlap_history_ratio', 'category_match', 'organizer_match')
        UNION ALL
        SELECT
            u.user_id,
            u.feature,
            u.attribute,
            u.source,
            recommender.attribute_weight(
                u.source, u.score, u.last_seen_at,
                (SELECT recommender.as_of()),
                (SELECT c.decay_half_life_hours FROM recommender.parameters AS c),
                (SELECT c.implicit_score_cap FROM recommender.parameters AS c)
            ) AS weight,
            0 AS history_count
        FROM recommender.user_attribute_sources AS u
        WHERE u.source <> 'history'
    ) AS s
    GROUP BY s.user_id, s.feature, s.attribute;
    CREATE UNIQUE INDEX ON pg_temp.training_attributes (user_id, feature, attribute);
    -- An inferred home city stays one while it outweighs the student's other cities.
    UPDATE pg_temp.training_attributes AS t SET rival_weight = r.weight
    FROM (
        SELECT
            o.user_id,
            h.attribute,
            max(o.implicit_weight) AS weight
        FROM pg_temp.training_attributes AS h
        INNER JOIN pg_temp.training_attributes AS o
            ON
                o.user_id = h.user_id
                AND o.feature = h.feature
                AND o.attribute <> h.attribute
        WHERE h.is_implicit_home
        GROUP BY o.user_id, h.attribute
    ) AS r
    WHERE
        t.user_id = r.user_id
        AND t.feature = 'same_city'
        AND t.attribute = r.attribute
        AND t.is_implicit_home;
    ANALYZE pg_temp.training_attributes;
END;
$$;

COMMENT ON FUNCTION recommender.build_training_attributes() IS
'Builds pg_temp.training_attributes: one row per (user, feature, attribute) with the number of history events that have it (held-out pairs excluded), what was stated, searched or inferred, the decayed implicit weight, and for an inferred home city the largest one among the other cities (rival_weight).';
