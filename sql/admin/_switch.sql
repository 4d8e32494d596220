-- Whether a part is switched on.

CREATE OR REPLACE FUNCTION recommender._switch(p_name text)
RETURNS boolean
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT CASE WHEN s.is_valid THEN s.value::boolean END
    FROM recommender.settings AS s
    WHERE s.name = p_name;
END;

COMMENT ON FUNCTION recommender._switch(text) IS
'The effective value of a boolean setting; NULL where it is not valid: never raises.';
