-- The settings that switch a part off, and those that are not valid.

CREATE OR REPLACE FUNCTION recommender._status_settings()
RETURNS TABLE (item text, value text, warning text)
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT
        upper(s.name) AS item,
        format('%s (%s)', s.value, s.source) AS value,
        CASE
            WHEN NOT s.is_valid
                THEN 'this value is not valid: correct or delete its row in recommender_settings'
            WHEN s.name = 'recommendations_use_ml_cache'
                THEN 'no list is served'
            WHEN s.name = 'analytics_enabled'
                THEN 'no telemetry is stored: models learn from registrations and favourites alone'
        END AS warning
    FROM recommender.settings AS s
    WHERE
        NOT s.is_valid
        OR recommender._switch(CASE WHEN s.default_value IN ('true', 'false') THEN s.name END)
        IS FALSE
        OR (s.name = 'experiments_personalization_ml_percent' AND s.value = '0')
    ORDER BY s.is_valid, s.name;
END;

COMMENT ON FUNCTION recommender._status_settings() IS
'The rows of recommender.status on the switches that are off, and on settings that are not valid.';
