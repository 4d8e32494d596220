-- A number of a model's meta, which may hold anything.

CREATE OR REPLACE FUNCTION recommender._number_in(p_meta jsonb, p_name text)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(p_meta -> p_name) = 'number'
        THEN (p_meta ->> p_name)::double precision
    END;
END;

COMMENT ON FUNCTION recommender._number_in(jsonb, text) IS
'The number a JSON object has under a name; NULL where there is none, or something else.';
