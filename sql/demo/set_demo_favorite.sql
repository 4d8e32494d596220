-- POST and DELETE /api/demo/events/{id}/favorite: a student saves an event, or no longer.

CREATE OR REPLACE FUNCTION recommender.set_demo_favorite(
    p_user_id integer, p_event_id integer, p_is_favorite boolean
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
    v_is_known boolean;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, 'student') AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    -- One at a time for each student: no key keeps the table from holding an event twice.
    PERFORM FROM public.users AS u WHERE u.id = p_user_id FOR NO KEY UPDATE;
    v_is_known := (
        SELECT s.state IS NOT NULL FROM recommender._event_state(p_user_id, p_event_id) AS s
    );
    IF p_is_favorite AND v_is_known THEN
        -- One saved later than the moment counts from now on.
        UPDATE public.favorite_events AS f
        SET created_at = least(f.created_at, recommender.as_of())
        WHERE f.user_id = p_user_id AND f.event_id = p_event_id;
        IF NOT FOUND THEN
            INSERT INTO public.favorite_events (user_id, event_id, created_at)
            VALUES (p_user_id, p_event_id, recommender.as_of());
        END IF;
        RETURN QUERY SELECT 201, NULL::json, json_build_object('favorite', true);
        RETURN;
    ELSIF NOT p_is_favorite THEN
        -- What was saved once can be taken back, whatever it has become.
        DELETE FROM public.favorite_events AS f
        WHERE f.user_id = p_user_id AND f.event_id = p_event_id;
        IF FOUND OR v_is_known THEN
            RETURN QUERY SELECT 204, NULL::json, NULL::json;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY SELECT
        404, NULL::json,
        recommender._problem(404, 'Not Found', 'there is no event with this id');
END;
$$;

COMMENT ON FUNCTION recommender.set_demo_favorite(integer, integer, boolean) IS
'Demo only: makes an event a student''s favourite at recommender.as_of() and answers 201, or takes that back and answers 204, however often it is repeated; 404 for an event that nobody may see or NULL, 401 or 403 for an account that may not. One row.';
