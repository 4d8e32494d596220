-- The stored reasons of a student's list, rendered again where they are in another language.

CREATE OR REPLACE FUNCTION recommender._localize_reasons(
    p_user_id integer, p_event_ids integer[], p_reasons text[], p_language text
)
RETURNS text[]
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF cardinality(p_event_ids) > 0 AND p_language IS DISTINCT FROM (
        SELECT l.language FROM public.recommendation_lists AS l WHERE l.user_id = p_user_id
    ) THEN
        RETURN recommender._render_reasons(
            p_user_id, p_event_ids, recommender.templates_for(p_language)
        );
    END IF;
    RETURN p_reasons;
END;
$$;

COMMENT ON FUNCTION recommender._localize_reasons(integer, integer[], text[], text) IS
'The reasons of these events in the language: as they are if the list was written in it, else from the student''s attributes at recommender.as_of().';
