-- All of training's SQL: examples with their eight features, in this session's temporary tables.

CREATE OR REPLACE FUNCTION recommender.build_training_matrix(
    p_seed bigint,
    p_negatives_per_positive integer DEFAULT 3,
    p_eval_negatives integer DEFAULT 50,
    p_history text DEFAULT 'leave-one-out'
)
RETURNS TABLE (kind text, example_count bigint)
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
SET jit = 'off'
AS $$
BEGIN
    IF p_history NOT IN ('leave-one-out', 'all') OR p_history IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = format('history is %s', coalesce('"' || p_history || '"', 'NULL')),
            HINT = 'give leave-one-out or all';
    END IF;
    PERFORM recommender._check_sampling(p_seed, p_negatives_per_positive, p_eval_negatives);
    PERFORM recommender.build_training_pairs(p_seed, p_eval_negatives > 0);
    DROP TABLE IF EXISTS pg_temp.training_event_attributes;
    CREATE TEMPORARY TABLE training_event_attributes AS
    SELECT a.event_id, a.feature, a.attribute, a.value
    FROM recommender.event_attributes AS a;
    CREATE UNIQUE INDEX ON pg_temp.training_event_attributes (event_id, feature, attribute);
    ANALYZE pg_temp.training_event_attributes;
    PERFORM recommender.build_training_examples(
        p_seed, p_negatives_per_positive, p_eval_negatives
    );
    PERFORM recommender.build_training_attributes();
    PERFORM recommender._build_training_features(p_history = 'leave-one-out');
    RETURN QUERY
    SELECT e.kind, count(*)
    FROM pg_temp.training_examples AS e
    GROUP BY e.kind
    ORDER BY e.kind;
END;
$$;

COMMENT ON FUNCTION recommender.build_training_matrix(bigint, integer, integer, text) IS
'Builds pg_temp.training_matrix for recommender.as_of(): one row per example with kind, label, weight and the eight features, ordered by example_no. leave-one-out computes an example''s features as if its own event were not in the history, the seats or the implicit scores; all keeps it in, as the reference does. Changes no shared relation. Returns the number of examples by kind; raises ER003 for another history, or numbers that are NULL or out of bounds.';
