-- The language somebody is addressed in: the first of their choices that there are sentences for.

CREATE OR REPLACE FUNCTION recommender.choose_language(
    p_preference text, p_accepted text[] DEFAULT '{}'
)
RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    v_language text;
BEGIN
    FOREACH v_language IN ARRAY p_preference || p_accepted LOOP
        IF EXISTS (
            SELECT FROM public.recommendation_reasons AS r WHERE r.language = v_language
        ) THEN
            RETURN v_language;
        END IF;
    END LOOP;
    RETURN 'en';
END;
$$;

COMMENT ON FUNCTION recommender.choose_language(text, text[]) IS
'The first of the preference (NULL or system: none) and the accepted languages, best first, that recommendation_reasons has a row for; en if there is none. Never NULL.';
