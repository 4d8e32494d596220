-- Whose lists are judged (pg_temp.backtest_students): those who registered after the moment.

CREATE OR REPLACE FUNCTION recommender._backtest_students(p_students integer, p_seed bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.backtest_students;
    CREATE TEMPORARY TABLE backtest_students AS
    SELECT
        (row_number() OVER (ORDER BY d.user_id))::integer - 1 AS student_no,
        d.user_id,
        NOT EXISTS (
            SELECT FROM recommender.source_registrations AS r WHERE r.user_id = d.user_id
        ) AS is_cold
    FROM (
        SELECT
            t.user_id,
            row_number() OVER (
                ORDER BY
                    recommender.training_hash(p_seed, t.user_id, 0, 0, 2147483647), t.user_id
            ) AS draw
        FROM pg_temp.backtest_truth AS t
        GROUP BY t.user_id
    ) AS d
    WHERE d.draw <= p_students OR p_students IS NULL;
    CREATE UNIQUE INDEX ON pg_temp.backtest_students (user_id);
    CREATE UNIQUE INDEX ON pg_temp.backtest_students (student_no);
    ANALYZE pg_temp.backtest_students;
END;
$$;

COMMENT ON FUNCTION recommender._backtest_students(integer, bigint) IS
'Builds pg_temp.backtest_students: whoever has a row in pg_temp.backtest_truth, at most p_students of them (drawn by a hash of p_seed and user_id; NULL: all), numbered from 0 by user_id; is_cold: without a registration at recommender.as_of().';
