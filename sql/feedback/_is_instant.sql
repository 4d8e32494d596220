-- Whether a JSON value is an instant, or missing.

CREATE OR REPLACE FUNCTION recommender._is_instant(p_value jsonb)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    IF coalesce(jsonb_typeof(p_value), 'null') = 'null' THEN
        RETURN true;
    ELSIF
        jsonb_typeof(p_value) <> 'string'
        OR p_value #>> '{}' !~ ('^' || recommender._field_form('occurred_at') || '$')
    THEN
        RETURN false;
    END IF;
    PERFORM (p_value #>> '{}')::timestamptz;
    RETURN true;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END;
$$;

COMMENT ON FUNCTION recommender._is_instant(jsonb) IS
'Whether the value is an RFC 3339 timestamp of a day and time that exist, null or missing.';
