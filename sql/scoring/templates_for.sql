-- The sentences of a language, or the English ones.

CREATE OR REPLACE FUNCTION recommender.templates_for(p_language text)
RETURNS recommender.reason_templates
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    v_templates recommender.reason_templates;
BEGIN
    SELECT t.* INTO v_templates
    FROM recommender.reason_templates AS t
    WHERE t.language IN (p_language, 'en')
    ORDER BY t.language = 'en'
    LIMIT 1;
    RETURN v_templates;
END;
$$;

COMMENT ON FUNCTION recommender.templates_for(text) IS
'The row of reason_templates of a language; of English for a language without one and for NULL.';
