-- Who is registered for which candidate at the moment.

CREATE OR REPLACE FUNCTION recommender._backtest_registered(p_only_students boolean)
RETURNS TABLE (user_id integer, event_no integer)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT
        r.user_id,
        c.event_no
    FROM pg_temp.backtest_candidates AS c
    INNER JOIN recommender.source_registrations AS r ON r.event_id = c.event_id
    WHERE
        NOT p_only_students
        OR EXISTS (SELECT FROM recommender.source_students AS s WHERE s.user_id = r.user_id);
END;
$$;

COMMENT ON FUNCTION recommender._backtest_registered(boolean) IS
'One row is one person''s registration for one of pg_temp.backtest_candidates in force at recommender.as_of(); with p_only_students those of students, else of every account.';
