-- The value of one setting: the session's, else the stored one, else the default.

CREATE OR REPLACE FUNCTION recommender.setting(p_name text)
RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    v_setting record;
    v_value text;
BEGIN
    SELECT
        d.*,
        s.value AS stored_value
    INTO v_setting
    FROM recommender.setting_defaults AS d
    LEFT JOIN public.recommender_settings AS s ON s.name = d.name
    WHERE d.name = p_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER001',
            MESSAGE = format('there is no setting %s', coalesce('"' || p_name || '"', 'NULL')),
            HINT = 'SELECT name FROM recommender.settings lists them';
    END IF;
    v_value := coalesce(
        nullif(current_setting('recommender.' || p_name, true), ''), v_setting.stored_value
    );
    IF v_value IS NULL THEN
        RETURN v_setting.default_value;
    ELSIF NOT recommender._setting_is_valid(
        v_value, v_setting.value_type, v_setting.min_value, v_setting.max_value
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER002',
            MESSAGE = format('setting %s is "%s", which is not valid', p_name, v_value),
            DETAIL = format(
                'It takes %s%s.',
                CASE
                    WHEN v_setting.value_type = 'integer' THEN 'an '
                    WHEN strpos(v_setting.value_type, '|') > 0 THEN ''
                    ELSE 'a '
                END
                || replace(v_setting.value_type, '|', ' or '),
                coalesce(' from ' || v_setting.min_value || ' to ' || v_setting.max_value, '')
            ),
            HINT = format(
                'RESET the session''s value, or correct its row in recommender_settings (default: %s)',
                v_setting.default_value
            );
    END IF;
    RETURN v_value;
END;
$$;

COMMENT ON FUNCTION recommender.setting(text) IS
'The effective value of one setting as text: the session''s recommender.<name>, else the row in recommender_settings, else the default. Raises ER001 for an unknown name, ER002 for a value outside its type or bounds.';
