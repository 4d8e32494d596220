-- What is wrong with a cron expression: NULL if nothing is.

CREATE OR REPLACE FUNCTION recommender._cron_fault(p_cron text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
AS $$
BEGIN
    PERFORM recommender._parse_cron(p_cron);
    RETURN NULL;
EXCEPTION WHEN SQLSTATE 'ER053' THEN
    RETURN 'ER053: ' || SQLERRM;
END;
$$;

COMMENT ON FUNCTION recommender._cron_fault(text) IS
'Why a cron expression is refused, as an error would say it; NULL for a valid one.';
