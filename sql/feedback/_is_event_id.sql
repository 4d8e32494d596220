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
            p_value #>> '{}' ~ '^[1-9][0-9]{0,9}$'
            AND length(p_value #>> '{}') <= 10
            AND (p_value #>> '{}')::numeric <= 2147483647
        ELSE false
    END;
END;

COMMENT ON FUNCTION recommender._is_event_id(jsonb) IS
'Whether the value is an integer from 1 to 2147483647, null or missing.';
