-- How much what was wanted weighs against what was not, in the examples that are trained on.

CREATE OR REPLACE FUNCTION recommender._training_odds()
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    RETURN (
        SELECT
            sum(m.weight ORDER BY m.example_no) FILTER (WHERE m.label = 1)
            / sum(m.weight ORDER BY m.example_no) FILTER (WHERE m.label = 0)
        FROM pg_temp.training_matrix AS m
        WHERE m.kind NOT IN ('calibration', 'holdout', 'holdout_negative')
    );
END;
$$;

COMMENT ON FUNCTION recommender._training_odds() IS
'Weight of the positives per weight of the negatives in pg_temp.training_matrix, without what is not fitted to: the odds a model''s bias is fitted to. NULL without either.';
