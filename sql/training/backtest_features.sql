-- The features of some students' pairs with all candidates, in this session's tables.

CREATE OR REPLACE FUNCTION recommender.backtest_features(
    p_first_student integer, p_student_count integer, p_feature_names text[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
SET jit = 'off'
AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.feature_pairs;
    CREATE TEMPORARY TABLE feature_pairs AS
    SELECT
        (row_number() OVER (ORDER BY s.student_no, c.event_no)) - 1 AS pair_no,
        s.user_id,
        c.event_id
    FROM pg_temp.backtest_students AS s
    CROSS JOIN pg_temp.backtest_candidates AS c
    WHERE
        s.student_no >= p_first_student
        AND s.student_no < p_first_student + p_student_count;
    ANALYZE pg_temp.feature_pairs;
    PERFORM recommender._build_pair_features(p_feature_names);
END;
$$;

COMMENT ON FUNCTION recommender.backtest_features(integer, integer, text[]) IS
'Builds pg_temp.pair_features at recommender.as_of() for p_student_count of pg_temp.backtest_students from number p_first_student on, each with all of backtest_candidates; pair_no counts from 0 by student, then by event. recommender.backtest_prepare comes before it; stand at its cutoff.';
