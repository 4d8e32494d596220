-- The examples that need no drawing: every labelled pair.

CREATE OR REPLACE FUNCTION recommender._start_examples()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.training_examples;
    CREATE TEMPORARY TABLE training_examples (
        example_no bigint GENERATED ALWAYS AS IDENTITY,
        user_id integer NOT NULL,
        event_id integer NOT NULL,
        kind text NOT NULL,
        label integer NOT NULL,
        weight double precision NOT NULL
    );
    INSERT INTO pg_temp.training_examples (user_id, event_id, kind, label, weight)
    SELECT
        p.user_id,
        p.event_id,
        CASE
            WHEN p.is_holdout THEN 'holdout'
            WHEN p.label = 1 THEN 'positive'
            ELSE 'unregister'
        END,
        p.label,
        p.weight
    FROM pg_temp.training_pairs AS p
    WHERE p.label IS NOT NULL
    ORDER BY p.user_id, p.event_id;
END;
$$;

COMMENT ON FUNCTION recommender._start_examples() IS
'Makes pg_temp.training_examples anew from the pairs of pg_temp.training_pairs that have a label: kind positive, unregister or holdout.';
