-- A reason with the city an event is near in, said once.

CREATE OR REPLACE FUNCTION recommender._reason_near(
    p_templates recommender.reason_templates,
    p_reason text,
    p_is_near boolean,
    p_city_name text
)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_is_near AND p_reason = (p_templates).near_you
            THEN replace((p_templates).near_city, '%s', btrim(p_city_name))
        WHEN p_is_near
            THEN p_reason || ' · ' || replace((p_templates).near_city, '%s', btrim(p_city_name))
        ELSE p_reason
    END;
END;

COMMENT ON FUNCTION recommender._reason_near(
    recommender.reason_templates, text, boolean, text
) IS
'The reason, followed by the near_city sentence where the event is in the student''s city; a reason that is only that it is near becomes that sentence. NULL stays NULL.';
