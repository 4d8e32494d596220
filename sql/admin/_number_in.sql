-- A number of a model's meta, which may hold anything.

CREATE OR REPLACE FUNCTION recommender._number_in(p_meta jsonb, p_name text)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN jsonb_typeof(p_meta -> p_name) <> 'number' THEN NULL
        -- jsonb has numbers that a double has not, and casting those raises.
        WHEN (p_meta ->> p_name)::numeric = 0 THEN 0
        WHEN abs((p_meta ->> p_name)::numeric) BETWEEN 1e-300 AND 1e300
            THEN (p_meta ->> p_name)::double precision
    END;
END;

COMMENT ON FUNCTION recommender._number_in(jsonb, text) IS
'The number a JSON object has under a name; NULL where there is none, something else, or one beyond 1e-300 to 1e300.';
