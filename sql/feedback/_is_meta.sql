-- Whether a JSON value may be stored as the meta of an interaction.

CREATE OR REPLACE FUNCTION recommender._is_meta(p_value jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE coalesce(jsonb_typeof(p_value), 'null')
        WHEN 'null' THEN true
        WHEN 'object' THEN
            octet_length(p_value::text) <= 4096
            -- The object itself is level 0 of the path.
            AND NOT jsonb_path_exists(
                p_value, 'strict $.**{5}.type() ? (@ == "object" || @ == "array")'
            )
            -- A number of more than 308 digits is longer than that; most metas are shorter.
            AND (
                octet_length(p_value::text) < 300
                OR NOT jsonb_path_exists(
                    p_value,
                    'strict $.** ? (@.type() == "number"'
                    ' && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))'
                )
            )
        ELSE false
    END;
END;

COMMENT ON FUNCTION recommender._is_meta(jsonb) IS
'Whether the value is an object of at most 4096 bytes as text and 5 levels of objects and arrays, its numbers within double precision; or null or missing.';
