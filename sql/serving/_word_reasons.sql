-- The reasons of a student's ranked events, in the language asked for, with the city they are near.

CREATE OR REPLACE FUNCTION recommender._word_reasons(
    p_ranked recommender.ranked_events[],
    p_home_city text,
    p_language text,
    p_templates recommender.reason_templates
)
RETURNS text[]
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_user_id integer := p_ranked[1].user_id;
    v_rendered text[];
BEGIN
    -- What is stored is in the language the list was written in.
    IF p_language IS DISTINCT FROM (
        SELECT l.language FROM public.recommendation_lists AS l WHERE l.user_id = v_user_id
    ) THEN
        v_rendered := recommender._render_reasons(p_ranked, p_templates);
    END IF;
    RETURN ARRAY(
        SELECT recommender._reason_near(
            p_templates,
            coalesce(v_rendered[r.ordinality], r.reason, p_templates.generic),
            r.city = p_home_city,
            r.city_name
        )
        FROM unnest(p_ranked) WITH ORDINALITY AS r
        ORDER BY r.ordinality
    );
END;
$$;

COMMENT ON FUNCTION recommender._word_reasons(
    recommender.ranked_events[], text, text, recommender.reason_templates
) IS
'One reason for each of a student''s ranked events, in their order: the stored one if the list was written in the language, else rendered from the data; with the city where it is the student''s. None for none.';
