-- The sentences of a language; what it lacks is said in English.

CREATE OR REPLACE FUNCTION recommender.templates_for(p_language text)
RETURNS recommender.reason_templates
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    v_english recommender.reason_templates;
    v_templates recommender.reason_templates;
BEGIN
    SELECT t.* INTO v_templates
    FROM recommender.reason_templates AS t WHERE t.language = p_language;
    IF v_templates IS NOT NULL THEN
        RETURN v_templates;
    END IF;
    SELECT t.* INTO v_english FROM recommender.reason_templates AS t WHERE t.language = 'en';
    RETURN (
        coalesce(v_templates.language, v_english.language),
        coalesce(v_templates.interests, v_english.interests),
        coalesce(v_templates.near_you, v_english.near_you),
        coalesce(v_templates.generic, v_english.generic),
        coalesce(v_templates.tags, v_english.tags),
        coalesce(v_templates.popular, v_english.popular),
        -- A language that knows how to say near you knows how to say where.
        coalesce(v_templates.near_city, v_templates.near_you || ': %s', v_english.near_city),
        coalesce(v_templates.series, v_english.series),
        coalesce(v_templates.organizer, v_english.organizer),
        coalesce(v_templates.co_attendance, v_english.co_attendance)
    )::recommender.reason_templates;
END;
$$;

COMMENT ON FUNCTION recommender.templates_for(text) IS
'The row of reason_templates of a language, with English sentences where it has none; English for NULL and for a language without any.';
