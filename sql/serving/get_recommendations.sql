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
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, true) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    v_language := recommender.choose_language(v_account.language, p_languages);
    RETURN QUERY
    SELECT
        200,
        json_build_object('Content-Language', v_language),
        recommender._event_items(
            array_agg(p.event_id ORDER BY p.place), array_agg(p.reason ORDER BY p.place)
        )
    FROM recommender.pick_events(p_user_id, 10, v_language) AS p;
END;
$$;

COMMENT ON FUNCTION recommender.get_recommendations(integer, text[]) IS
'The answer of GET /api/recommendations for an account (NULL: no token) whose client accepts the languages, best first: 200 with an array of at most 10 events of recommender.pick_events, else 401 or 403. One row; one snapshot.';
