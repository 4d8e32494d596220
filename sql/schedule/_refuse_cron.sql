-- Refuses a cron expression.

CREATE OR REPLACE FUNCTION recommender._refuse_cron(p_fault text)
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'ER053',
        MESSAGE = 'the cron expression is not valid: ' || p_fault,
        HINT = 'give five fields, in UTC: minute, hour, day of the month, month, day of the week;'
            ' "30 3 * * *" is half past three every night';
END;
$$;

COMMENT ON FUNCTION recommender._refuse_cron(text) IS
'Raises ER053 with what is wrong with a cron expression.';
