-- The examples of one window (pg_temp.training_examples) and their pairs (pg_temp.feature_pairs).

CREATE OR REPLACE FUNCTION recommender._sample_window(
    p_seed bigint,
    p_window_no integer,
    p_horizon interval,
    p_negatives_per_positive integer,
    p_eval_negatives integer
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_is_judge boolean := p_window_no = 0;
BEGIN
    DROP TABLE IF EXISTS
    pg_temp.training_pairs, pg_temp.training_events, pg_temp.feature_pairs;
    CREATE TEMPORARY TABLE training_events AS
    SELECT
        (row_number() OVER (ORDER BY e.event_id))::integer - 1 AS event_no,
        e.event_id
    FROM recommender.eligible_events AS e
    WHERE e.start_time <= recommender.as_of() + p_horizon;
    CREATE UNIQUE INDEX ON pg_temp.training_events (event_no) INCLUDE (event_id);

    -- What was known before has no label: it is neither example nor negative.
    CREATE TEMPORARY TABLE training_pairs AS
    SELECT
        p.user_id,
        p.event_id,
        CASE WHEN p.is_of_window AND (NOT v_is_judge OR p.label = 1) THEN p.label END AS label,
        p.weight,
        p.place,
        false AS is_holdout
    FROM (
        SELECT
            w.user_id,
            w.event_id,
            w.label,
            w.weight,
            w.window_no = p_window_no AS is_of_window,
            row_number() OVER (
                PARTITION BY w.user_id, w.window_no, w.label
                ORDER BY
                    recommender.training_hash(p_seed, w.user_id, w.event_id, -1, 2147483647),
                    w.event_id
            ) AS place
        FROM pg_temp.window_labels AS w
        INNER JOIN pg_temp.training_events AS e ON e.event_id = w.event_id
        WHERE w.window_no >= p_window_no
    ) AS p;
    CREATE UNIQUE INDEX ON pg_temp.training_pairs (user_id, event_id) INCLUDE (label);
    ANALYZE pg_temp.training_events, pg_temp.training_pairs;

    PERFORM recommender._start_examples();
    PERFORM recommender._sample_negatives(
        p_seed + p_window_no, p_negatives_per_positive, false
    );
    IF v_is_judge THEN
        -- Sampled as all windows are, they say how often a sampled pair comes by now; one positive
        -- of each student, against more events, says how well they are told apart.
        UPDATE pg_temp.training_examples SET kind = 'calibration';
        UPDATE pg_temp.training_pairs SET is_holdout = true WHERE label = 1 AND place = 1;
        INSERT INTO pg_temp.training_examples (user_id, event_id, kind, label, weight)
        SELECT p.user_id, p.event_id, 'holdout', p.label, p.weight
        FROM pg_temp.training_pairs AS p
        WHERE p.is_holdout
        ORDER BY p.user_id, p.event_id;
        PERFORM recommender._sample_holdout_negatives(p_seed, p_eval_negatives);
    END IF;
    CREATE TEMPORARY TABLE feature_pairs AS
    SELECT e.example_no AS pair_no, e.user_id, e.event_id
    FROM pg_temp.training_examples AS e;
    ANALYZE pg_temp.training_examples, pg_temp.feature_pairs;
END;
$$;

COMMENT ON FUNCTION recommender._sample_window(bigint, integer, interval, integer, integer) IS
'Builds pg_temp.training_examples and feature_pairs (pair_no = example_no) of window p_window_no of pg_temp.window_labels at recommender.as_of(), its start: what was said in it of events eligible then and starting within p_horizon, and negatives from the same events. Of window 0 all positives and negatives are of kind calibration, and one positive a student comes again as kind holdout, with negatives of its own.';
