-- A setting as JSON of its type.

CREATE OR REPLACE FUNCTION recommender._desk_setting(p_name text)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN (
        SELECT CASE
            WHEN NOT s.is_valid THEN NULL
            WHEN d.value_type = 'boolean' THEN to_jsonb(s.value::boolean)
            WHEN d.value_type IN ('integer', 'number') THEN to_jsonb(s.value::numeric)
            ELSE to_jsonb(s.value)
        END
        FROM recommender.settings AS s
        INNER JOIN recommender.setting_defaults AS d ON d.name = s.name
        WHERE s.name = p_name
    );
END;
$$;

COMMENT ON FUNCTION recommender._desk_setting(text) IS
'The effective value of a setting as a JSON boolean, number or string; NULL where it is not valid: never raises.';
