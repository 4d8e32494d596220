-- A number of days as a query has it.

CREATE OR REPLACE FUNCTION recommender._read_days(
    p_days text, p_default integer, p_longest integer
)
RETURNS integer
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    IF coalesce(p_days, '') = '' THEN
        RETURN p_default;
    ELSIF p_days ~ '^[0-9]{1,3}$' AND p_days::integer BETWEEN 1 AND p_longest THEN
        RETURN p_days::integer;
    END IF;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION recommender._read_days(text, integer, integer) IS
'The number of days a text says, p_default for none (NULL or empty); NULL: no whole number from 1 to p_longest.';
