-- Adds up to three events a student's searches and filters speak for.

CREATE OR REPLACE FUNCTION recommender._sample_weak_positives(p_seed bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    -- An array, because a join might read all events for every student.
    v_event_ids integer[] := (
        SELECT array_agg(e.event_id ORDER BY e.event_no) FROM pg_temp.training_events AS e
    );
    v_event_count integer := cardinality(v_event_ids);
BEGIN
    IF v_event_ids IS NULL THEN
        RETURN;
    END IF;
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

    DROP TABLE IF EXISTS pg_temp.training_weak;
    CREATE TEMPORARY TABLE training_weak (
        user_id integer, event_id integer, draw integer, PRIMARY KEY (user_id, event_id)
    );
    -- 200 draws, ten a round; whoever has three is left out of the next one. OFFSET 0 keeps the
    -- look-ups by key: joined flat, every student meets every event that has something looked for.
    FOR v_round IN 0..19 LOOP
        INSERT INTO pg_temp.training_weak (user_id, event_id, draw)
        SELECT u.user_id, e.event_id, min(d.draw)
        FROM (
            SELECT i.user_id
            FROM (SELECT DISTINCT x.user_id FROM pg_temp.training_intents AS x) AS i
            WHERE (
                SELECT count(*) FROM pg_temp.training_weak AS w WHERE w.user_id = i.user_id
            ) < 3
        ) AS u
        CROSS JOIN generate_series(10 * v_round + 1, 10 * v_round + 10) AS d (draw)
        CROSS JOIN LATERAL (
            SELECT
                v_event_ids[1 + recommender.training_hash(
                    p_seed, u.user_id, 0, d.draw, v_event_count
                )] AS event_id
        ) AS e
        WHERE
            EXISTS (
                SELECT FROM pg_temp.training_event_attributes AS a
                INNER JOIN pg_temp.training_intents AS i
                    ON i.feature = a.feature AND i.attribute = a.attribute
                WHERE a.event_id = e.event_id AND i.user_id = u.user_id
                OFFSET 0  -- noqa: AM09
            )
            AND NOT EXISTS (
                SELECT FROM pg_temp.training_pairs AS p
                WHERE p.user_id = u.user_id AND p.event_id = e.event_id
                OFFSET 0  -- noqa: AM09
            )
        GROUP BY u.user_id, e.event_id
        ON CONFLICT DO NOTHING;
    END LOOP;
    INSERT INTO pg_temp.training_examples (user_id, event_id, kind, label, weight)
    SELECT w.user_id, w.event_id, 'weak_positive', 1, 0.15
    FROM (
        SELECT
            x.user_id,
            x.event_id,
            row_number() OVER (PARTITION BY x.user_id ORDER BY x.draw) AS weak_no
        FROM pg_temp.training_weak AS x
    ) AS w
    WHERE w.weak_no <= 3
    ORDER BY w.user_id, w.weak_no;
END;
$$;

COMMENT ON FUNCTION recommender._sample_weak_positives(bigint) IS
'Adds to pg_temp.training_examples, for every student who searched or filtered, up to 3 of 200 drawn events that have a tag, category or city looked for and no signal yet: label 1, weight 0.15.';
