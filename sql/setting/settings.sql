-- One row is one setting with the value in force and where it came from.

CREATE OR REPLACE VIEW recommender.settings AS
SELECT
    d.name,
    coalesce(o.session_value, s.value, d.default_value) AS value,
    CASE
        WHEN o.session_value IS NOT NULL THEN 'session'
        WHEN s.value IS NOT NULL THEN s.source
        ELSE 'default'
    END AS source,
    d.default_value,
    recommender._setting_is_valid(
        coalesce(o.session_value, s.value, d.default_value),
        d.value_type, d.min_value, d.max_value
    ) AS is_valid,
    d.description,
    s.updated_at
FROM recommender.setting_defaults AS d
LEFT JOIN public.recommender_settings AS s ON s.name = d.name
CROSS JOIN LATERAL (
    SELECT nullif(current_setting('recommender.' || d.name, true), '') AS session_value
) AS o;

COMMENT ON VIEW recommender.settings IS
'One row is one setting: the effective value, its source (session, environment, admin or default), the default, whether the value is valid, and what it means. updated_at is NULL for defaults.';
