-- Refuses a list length that is not one.

CREATE OR REPLACE FUNCTION recommender._validate_top_n(p_top_n integer)
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    IF p_top_n IS NULL OR p_top_n NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = format('top_n is %s', coalesce(p_top_n::text, 'NULL')),
            HINT = 'give a number of events from 1 to 10000';
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._validate_top_n(integer) IS
'Raises ER003 unless the number of events a list is asked to have lies between 1 and 10000.';
