-- Adds so many negatives for every positive: shown and not taken if anything was, else any event.

CREATE OR REPLACE FUNCTION recommender._sample_negatives(
    p_seed bigint, p_negatives_per_positive integer, p_from_impressions boolean DEFAULT true
)
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
    DROP TABLE IF EXISTS pg_temp.training_impressions;
    CREATE TEMPORARY TABLE training_impressions AS
    SELECT
        m.user_id,
        m.event_id,
        m.best_position,
        m.impression_no,
        count(*) OVER (PARTITION BY m.user_id)::integer AS impression_count
    FROM (
        SELECT
            i.user_id,
            i.event_id,
            i.best_position,
            (row_number() OVER (
                PARTITION BY i.user_id ORDER BY i.best_position ASC NULLS LAST, i.event_id
            ))::integer - 1 AS impression_no
        FROM recommender.training_impressions AS i
        WHERE p_from_impressions AND NOT EXISTS (
            SELECT FROM pg_temp.training_pairs AS p
            WHERE p.user_id = i.user_id AND p.event_id = i.event_id
        )
    ) AS m
    -- The 50 best positions: what a student saw far down says little.
    WHERE m.impression_no < 50;
    CREATE UNIQUE INDEX ON pg_temp.training_impressions (user_id, impression_no);
    ANALYZE pg_temp.training_impressions;

    DROP TABLE IF EXISTS pg_temp.training_draws;
    CREATE TEMPORARY TABLE training_draws AS
    SELECT
        p.user_id,
        p.event_id,
        d.draw,
        i.event_id AS negative_event_id,
        CASE WHEN i.event_id IS NULL THEN 1.0
            ELSE recommender.impression_weight(i.best_position)
        END AS weight
    FROM pg_temp.training_pairs AS p
    CROSS JOIN generate_series(1, p_negatives_per_positive) AS d (draw)
    LEFT JOIN pg_temp.training_impressions AS f
        ON f.user_id = p.user_id AND f.impression_no = 0
    LEFT JOIN pg_temp.training_impressions AS i
        ON
            i.user_id = p.user_id
            AND i.impression_no = recommender.training_hash(
                p_seed, p.user_id, p.event_id, d.draw, f.impression_count
            )
    WHERE p.label = 1 AND NOT p.is_holdout;

    -- Nearly every draw is settled by the first try; a student who wants nearly everything has
    -- few negatives, or none, after 32.
    FOR v_try IN 0..31 LOOP
        UPDATE pg_temp.training_draws AS d SET
            negative_event_id = v_event_ids[1 + recommender.training_hash(
                p_seed, d.user_id, d.event_id, d.draw + 1000 * v_try, v_event_count
            )]
        WHERE
            d.negative_event_id IS NULL
            AND NOT EXISTS (
                SELECT FROM pg_temp.training_pairs AS x
                WHERE
                    x.user_id = d.user_id
                    AND x.event_id = v_event_ids[1 + recommender.training_hash(
                        p_seed, d.user_id, d.event_id, d.draw + 1000 * v_try, v_event_count
                    )]
            );
        EXIT WHEN NOT EXISTS (
            SELECT FROM pg_temp.training_draws AS d WHERE d.negative_event_id IS NULL
        );
    END LOOP;
    INSERT INTO pg_temp.training_examples (user_id, event_id, kind, label, weight)
    SELECT d.user_id, d.negative_event_id, 'negative', 0, d.weight
    FROM pg_temp.training_draws AS d
    WHERE d.negative_event_id IS NOT NULL
    ORDER BY d.user_id, d.event_id, d.draw;
END;
$$;

COMMENT ON FUNCTION recommender._sample_negatives(bigint, integer, boolean) IS
'Adds p_negatives_per_positive negatives per positive to pg_temp.training_examples: drawn (with p_from_impressions) from the student''s 50 best-placed impressions without a signal, weighted by position, if there are any, else from pg_temp.training_events at weight 1.0; never an event that pg_temp.training_pairs has for the student.';
