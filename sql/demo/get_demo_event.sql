-- GET /api/demo/events/{id}: one event, and how it stands with who asks.

CREATE OR REPLACE FUNCTION recommender.get_demo_event(
    p_user_id integer, p_languages text[], p_event_id integer
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
    v_language text;
    v_event record;
    v_reason text;
    v_item json;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, NULL) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    v_language := recommender.choose_language(v_account.language, p_languages);
    SELECT s.* INTO v_event FROM recommender._event_state(p_user_id, p_event_id) AS s;
    IF v_event.state IS NOT NULL THEN
        IF v_event.state IN ('open', 'hidden') THEN
            v_reason := recommender._event_reason(
                p_user_id, p_event_id, v_account.city, v_language
            );
        END IF;
        v_item := recommender._event_items(ARRAY[p_event_id], ARRAY[v_reason]) -> 0;
        v_item := coalesce(v_item, recommender._deleted_event_item(p_event_id));
    END IF;
    IF v_item IS NULL THEN
        RETURN QUERY SELECT
            404, NULL::json,
            recommender._problem(404, 'Not Found', 'there is no event with this id');
        RETURN;
    END IF;
    RETURN QUERY SELECT
        200,
        json_build_object('Content-Language', v_language),
        (
            v_item::jsonb || jsonb_build_object(
                'seats_taken', v_event.seats_taken,
                'registered', v_event.is_registered,
                'favorite', v_event.is_favorite,
                'can_register',
                coalesce(v_account.role = 'student', false)
                AND v_event.state IN ('open', 'hidden'),
                'state', v_event.state
            )
        )::json;
END;
$$;

COMMENT ON FUNCTION recommender.get_demo_event(integer, text[], integer) IS
'Demo only: 200 with the fields of an event of recommender.get_events, and registered, favorite, can_register and state (recommender._event_state) for the account (NULL: nobody in particular); 404 for an event that nobody may see or NULL, 401 or 403 for an account that is gone or inactive. One row.';
