-- GET /api/recommendations: what a student is shown, as an array of events.

CREATE OR REPLACE FUNCTION recommender.get_recommendations(
    p_user_id integer, p_languages text[] DEFAULT '{}'
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
    v_language text;
    v_picked record;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    IF v_account.role IS DISTINCT FROM 'student' OR v_account.is_active IS NOT TRUE THEN
        RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, 'student') AS r;
        RETURN;
    END IF;
    v_language := recommender.choose_language(v_account.language, p_languages);
    SELECT p.* INTO v_picked
    FROM recommender._pick(
        p_user_id, 10, recommender._home_city(p_user_id, v_account.city), v_language
    ) AS p;
    RETURN QUERY SELECT
        200,
        json_build_object('Content-Language', v_language),
        recommender._event_items(v_picked.event_ids, v_picked.reasons);
END;
$$;

COMMENT ON FUNCTION recommender.get_recommendations(integer, text[]) IS
'The answer of GET /api/recommendations for an account (NULL: no token) whose client accepts the languages, best first: 200 with an array of at most 10 events of recommender.pick_events, else 401 or 403. One row; one snapshot.';
