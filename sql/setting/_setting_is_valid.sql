-- Whether a text is a value of the type and within the bounds.

CREATE OR REPLACE FUNCTION recommender._setting_is_valid(
    p_value text, p_value_type text, p_min double precision, p_max double precision
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_value_type = 'text' THEN true
        WHEN strpos(p_value_type, '|') > 0
            THEN array_position(string_to_array(p_value_type, '|'), p_value) IS NOT NULL
        WHEN p_value_type = 'boolean' THEN lower(p_value) IN (
            'true', 'false', 't', 'f', 'yes', 'no', 'on', 'off', '1', '0'
        )
        WHEN p_value_type = 'integer' AND p_value !~ '^-?[0-9]{1,10}$' THEN false
        WHEN p_value !~ '^-?[0-9]{1,15}(\.[0-9]{1,15})?$' THEN false
        ELSE p_value::double precision BETWEEN p_min AND p_max
    END;
END;

COMMENT ON FUNCTION recommender._setting_is_valid(
    text, text, double precision, double precision
) IS 'Whether a text is a valid value of the type (boolean, integer, number, text, or values between |) within the bounds.';
