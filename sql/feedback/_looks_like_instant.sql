-- Whether a JSON value has the form of an instant: PostgreSQL reads more than that.

CREATE OR REPLACE FUNCTION recommender._looks_like_instant(p_value jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE coalesce(jsonb_typeof(p_value), 'null')
        WHEN 'null' THEN true
        WHEN 'string' THEN
            length(p_value #>> '{}') <= 40
            AND p_value #>> '{}' ~ (
                '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}'
                '(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$'
            )
        ELSE false
    END;
END;

COMMENT ON FUNCTION recommender._looks_like_instant(jsonb) IS
'Whether the value has the form of RFC 3339 (date, time, offset), is null or missing; the day may not exist.';
