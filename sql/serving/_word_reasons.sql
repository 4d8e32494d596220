-- The reasons of a student's ranked events, in the language asked for, with the city they are near.

CREATE OR REPLACE FUNCTION recommender._word_reasons(
    p_ranked recommender.ranked_events[],
    p_list_language text,
    p_home_city text,
    p_language text,
    p_templates recommender.reason_templates,
    OUT event_ids integer[],
    OUT reasons text[]
)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_rendered text[];
BEGIN
    -- What is stored is in the language the list was written in.
    IF p_language IS DISTINCT FROM p_list_language THEN
        v_rendered := recommender._render_reasons(p_ranked, p_templates);
    END IF;
    SELECT
        coalesce(array_agg(r.event_id ORDER BY r.ordinality), '{}'),
        coalesce(
            array_agg(
                recommender._reason_near(
                    p_templates,
                    coalesce(v_rendered[r.ordinality], r.reason, p_templates.generic),
                    r.city = p_home_city,
                    r.city_name
                )
                ORDER BY r.ordinality
            ),
            '{}'
        )
    INTO event_ids, reasons
    FROM unnest(p_ranked) WITH ORDINALITY AS r;
END;
$$;

COMMENT ON FUNCTION recommender._word_reasons(
    recommender.ranked_events[], text, text, text, recommender.reason_templates
) IS
'A student''s ranked events, in their order, as two arrays: event_ids and reasons, the stored one if the list was written in the language, else rendered from the data; with the city where it is the student''s.';
