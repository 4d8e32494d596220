-- Who is registered for which candidate at the moment.

CREATE OR REPLACE FUNCTION recommender._backtest_registered(p_only_students boolean)
RETURNS TABLE (user_id integer, event_no integer)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT u.user_id, c.event_no
    FROM pg_temp.backtest_candidates AS c
    INNER JOIN recommender.source_registrations AS r ON r.event_id = c.event_id
    INNER JOIN recommender.source_users AS u ON u.user_id = r.user_id
    WHERE u.role = 'student' OR NOT p_only_students;
END;
$$;

COMMENT ON FUNCTION recommender._backtest_registered(boolean) IS
'One row is one person''s registration for one of pg_temp.backtest_candidates in force at recommender.as_of(); with p_only_students those of students, else of every account.';
