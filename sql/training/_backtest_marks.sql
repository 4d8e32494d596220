-- What is special about pairs of students and candidates (pg_temp.backtest_marks).

CREATE OR REPLACE FUNCTION recommender._backtest_marks()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
BEGIN
    DROP TABLE IF EXISTS pg_temp.backtest_marks;
    CREATE TEMPORARY TABLE backtest_marks AS
    SELECT
        s.student_no,
        t.event_no,
        'truth' AS mark,
        t.weight AS value
    FROM pg_temp.backtest_truth AS t
    INNER JOIN pg_temp.backtest_students AS s ON s.user_id = t.user_id
    UNION ALL
    SELECT
        s.student_no,
        m.event_no,
        'masked' AS mark,
        1.0::double precision AS value
    FROM pg_temp.backtest_masked AS m
    INNER JOIN pg_temp.backtest_students AS s ON s.user_id = m.user_id
    UNION ALL
    SELECT
        v.student_no,
        c.event_no,
        'attended' AS mark,
        v.visits AS value
    FROM (
        SELECT
            s.student_no,
            e.organizer_id,
            -- Visits of twenty years ago must not underflow.
            sum(
                power(
                    0.5::double precision,
                    least(extract(EPOCH FROM v_as_of - e.start_time) / (60 * 86400), 300)
                )
                ORDER BY e.start_time, e.event_id
            ) AS visits
        FROM pg_temp.backtest_students AS s
        INNER JOIN recommender.source_registrations AS r ON r.user_id = s.user_id
        INNER JOIN recommender.source_events AS e ON e.event_id = r.event_id
        WHERE e.start_time <= v_as_of
        GROUP BY s.student_no, e.organizer_id
    ) AS v
    INNER JOIN pg_temp.backtest_candidates AS c ON c.organizer_id = v.organizer_id;
    CREATE INDEX ON pg_temp.backtest_marks (student_no);
    ANALYZE pg_temp.backtest_marks;
END;
$$;

COMMENT ON FUNCTION recommender._backtest_marks() IS
'Builds pg_temp.backtest_marks, one row a mark of a pair of pg_temp.backtest_students and backtest_candidates: truth (registered after the cutoff; value is what it weighs in training), masked (registered before it), attended (the student was registered for an event of this organizer that has started; value is the number of such events, each halved every 60 days since).';
