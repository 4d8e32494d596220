-- Why an event is in a student's list, if it is.

CREATE OR REPLACE FUNCTION recommender._event_reason(
    p_user_id integer, p_event_id integer, p_profile_city text, p_language text
)
RETURNS text
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_list_language text;
    v_ranked recommender.ranked_events[];
BEGIN
    SELECT l.language INTO v_list_language
    FROM recommender.fresh_lists AS l WHERE l.user_id = p_user_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    v_ranked := ARRAY(
        SELECT r
        FROM recommender.ranked_events AS r
        WHERE r.user_id = p_user_id AND r.event_id = p_event_id
    );
    RETURN (
        SELECT w.reasons[1]
        FROM recommender._word_reasons(
            v_ranked,
            v_list_language,
            recommender._home_city(p_user_id, p_profile_city),
            p_language,
            recommender.templates_for(p_language)
        ) AS w
    );
END;
$$;

COMMENT ON FUNCTION recommender._event_reason(integer, integer, text, text) IS
'The reason by which an event stands in a student''s fresh list, in the language, as GET /api/recommendations words it; NULL where it does not stand there or may not be shown. p_profile_city is normalised.';
