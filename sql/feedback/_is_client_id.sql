-- Whether a JSON value is a UUID, or missing.

CREATE OR REPLACE FUNCTION recommender._is_client_id(p_value jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE coalesce(jsonb_typeof(p_value), 'null')
        WHEN 'null' THEN true
        WHEN 'string' THEN
            p_value #>> '{}' ~ ('^' || recommender._field_form('client_id') || '$')
        ELSE false
    END;
END;

COMMENT ON FUNCTION recommender._is_client_id(jsonb) IS
'Whether the value is a UUID in the form of RFC 9562, null or missing.';
