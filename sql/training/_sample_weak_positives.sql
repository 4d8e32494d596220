-- Adds up to three events a student's searches and filters speak for.

CREATE OR REPLACE FUNCTION recommender._sample_weak_positives(p_seed bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_event_count integer := (SELECT count(*) FROM pg_temp.training_events);
BEGIN
    DROP TABLE IF EXISTS pg_temp.training_intents;
    CREATE TEMPORARY TABLE training_intents AS
    SELECT DISTINCT
        i.user_id,
        a.feature,
        a.attribute
    FROM recommender.source_intents AS i
    INNER JOIN recommender.source_students AS s ON s.user_id = i.user_id
    CROSS JOIN LATERAL (
        VALUES ('category_match', i.category), ('same_city', i.city)
        UNION ALL
        SELECT
            'overlap_interest_ratio' AS feature,
            recommender.normalize_text(t.tag #>> '{}') AS attribute
        FROM jsonb_array_elements(i.tags) AS t (tag)
        WHERE jsonb_typeof(t.tag) = 'string'
    ) AS a (feature, attribute)
    WHERE a.attribute IS NOT NULL;
    CREATE UNIQUE INDEX ON pg_temp.training_intents (user_id, feature, attribute);
    ANALYZE pg_temp.training_intents;

    INSERT INTO pg_temp.training_examples (user_id, event_id, kind, label, weight)
    SELECT u.user_id, w.event_id, 'weak_positive', 1, 0.15
    FROM (SELECT DISTINCT i.user_id FROM pg_temp.training_intents AS i) AS u
    CROSS JOIN LATERAL (
        SELECT m.event_id, min(m.draw) AS draw
        FROM (
            -- Accepted draws, first ones first; thirty hold three different events unless the
            -- matching ones are fewer than that.
            SELECT e.event_id, d.draw
            FROM generate_series(1, 200) AS d (draw)
            INNER JOIN pg_temp.training_events AS e
                ON e.event_no = recommender.training_hash(
                    p_seed, u.user_id, 0, d.draw, v_event_count
                )
            WHERE
                EXISTS (
                    SELECT FROM pg_temp.training_event_attributes AS a
                    INNER JOIN pg_temp.training_intents AS i
                        ON i.feature = a.feature AND i.attribute = a.attribute
                    WHERE a.event_id = e.event_id AND i.user_id = u.user_id
                )
                AND NOT EXISTS (
                    SELECT FROM pg_temp.training_pairs AS p
                    WHERE p.user_id = u.user_id AND p.event_id = e.event_id
                )
            ORDER BY d.draw
            LIMIT 30
        ) AS m
        GROUP BY m.event_id
        ORDER BY draw
        LIMIT 3
    ) AS w
    ORDER BY u.user_id, w.draw;
END;
$$;

COMMENT ON FUNCTION recommender._sample_weak_positives(bigint) IS
'Adds to pg_temp.training_examples, for every student who searched or filtered, up to 3 of 200 drawn events that have a tag, category or city looked for and no signal yet: label 1, weight 0.15.';
