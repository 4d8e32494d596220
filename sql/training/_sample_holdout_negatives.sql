-- Adds the events each event set aside has to beat.

CREATE OR REPLACE FUNCTION recommender._sample_holdout_negatives(
    p_seed bigint, p_eval_negatives integer
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
    IF v_event_ids IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO pg_temp.training_examples (user_id, event_id, kind, label, weight)
    SELECT p.user_id, n.event_id, 'holdout_negative', 0, 1.0
    FROM pg_temp.training_pairs AS p
    CROSS JOIN LATERAL (
        SELECT m.event_id
        FROM (
            -- Twice as many draws, because some repeat or hit what the student wanted.
            SELECT e.event_id, min(d.draw) AS draw
            FROM generate_series(1, 2 * p_eval_negatives + 20) AS d (draw)
            CROSS JOIN LATERAL (
                SELECT
                    v_event_ids[1 + recommender.training_hash(
                        p_seed, p.user_id, p.event_id, -1 - d.draw, v_event_count
                    )] AS event_id
            ) AS e
            WHERE NOT EXISTS (
                SELECT FROM pg_temp.training_pairs AS x
                WHERE
                    x.user_id = p.user_id
                    AND x.event_id = e.event_id
                    AND x.label IS DISTINCT FROM 0
            )
            GROUP BY e.event_id
        ) AS m
        ORDER BY m.draw
        LIMIT p_eval_negatives
    ) AS n
    WHERE p.is_holdout
    ORDER BY p.user_id, n.event_id;
END;
$$;

COMMENT ON FUNCTION recommender._sample_holdout_negatives(bigint, integer) IS
'Adds to pg_temp.training_examples, for every held-out positive, up to p_eval_negatives different events of pg_temp.training_events that are no positives of the student, nor (label NULL) known to the student before.';
