-- Whether a JSON value may stand for an event, or for none.

CREATE OR REPLACE FUNCTION recommender._is_event_id(p_value jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE coalesce(jsonb_typeof(p_value), 'null')
        WHEN 'null' THEN true
        WHEN 'number' THEN
            CASE WHEN p_value #>> '{}' ~ ('^' || recommender._field_form('event_id') || '$')
                THEN (p_value #>> '{}')::bigint <= 2147483647
                ELSE false
            END
        ELSE false
    END;
END;

COMMENT ON FUNCTION recommender._is_event_id(jsonb) IS
'Whether the value is an integer from 1 to 2147483647, null or missing.';
