-- The sentences of a language; what it lacks is said in English.

CREATE OR REPLACE FUNCTION recommender.templates_for(p_language text)
RETURNS recommender.reason_templates
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    v_templates recommender.reason_templates;
BEGIN
    SELECT
        coalesce(t.language, e.language),
        coalesce(t.interests, e.interests),
        coalesce(t.near_you, e.near_you),
        coalesce(t.generic, e.generic),
        coalesce(t.tags, e.tags),
        coalesce(t.popular, e.popular),
        coalesce(t.near_city, e.near_city)
    INTO v_templates
    FROM recommender.reason_templates AS e
    LEFT JOIN recommender.reason_templates AS t ON t.language = p_language
    WHERE e.language = 'en';
    RETURN v_templates;
END;
$$;

COMMENT ON FUNCTION recommender.templates_for(text) IS
'The row of reason_templates of a language, with English sentences where it has none; English for NULL and for a language without any.';
