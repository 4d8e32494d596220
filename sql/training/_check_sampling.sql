-- Refuses numbers that no examples could be drawn with.

CREATE OR REPLACE FUNCTION recommender._check_sampling(
    p_seed bigint, p_negatives_per_positive integer, p_eval_negatives integer
)
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
AS $$
BEGIN
    IF
        p_seed IS NULL
        OR (p_negatives_per_positive BETWEEN 0 AND 100) IS NOT TRUE
        OR (p_eval_negatives BETWEEN 0 AND 10000) IS NOT TRUE
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = format(
                'seed, negatives per positive and evaluation negatives are %s, %s, %s',
                coalesce(p_seed::text, 'NULL'),
                coalesce(p_negatives_per_positive::text, 'NULL'),
                coalesce(p_eval_negatives::text, 'NULL')
            ),
            HINT = 'give any seed, 0 to 100 negatives per positive, 0 to 10000 for evaluation';
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._check_sampling(bigint, integer, integer) IS
'Raises ER003 when a number is NULL or out of bounds.';
