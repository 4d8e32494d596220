-- POST and DELETE /api/demo/interests/{tag_id}: a tag a student chooses, or no longer.

CREATE OR REPLACE FUNCTION recommender.set_demo_interest(
    p_user_id integer, p_tag_id integer, p_is_chosen boolean
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
    v_body json;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, 'student') AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT json_build_object('id', t.tag_id, 'name', t.name) INTO v_body
    FROM recommender.source_tags AS t WHERE t.tag_id = p_tag_id;
    IF p_is_chosen AND v_body IS NOT NULL THEN
        INSERT INTO public.user_interest_tags (user_id, tag_id)
        SELECT p_user_id, p_tag_id
        WHERE NOT EXISTS (
            SELECT FROM public.user_interest_tags AS x
            WHERE x.user_id = p_user_id AND x.tag_id = p_tag_id
        )
        ON CONFLICT DO NOTHING;
        -- As good a signal as a filter: the list is to follow.
        PERFORM recommender._request_refresh(p_user_id, ARRAY['filter'], ARRAY[NULL::jsonb]);
        RETURN QUERY SELECT 201, NULL::json, v_body;
        RETURN;
    ELSIF NOT p_is_chosen THEN
        -- What was chosen once can be taken back, whatever it has become.
        DELETE FROM public.user_interest_tags AS x
        WHERE x.user_id = p_user_id AND x.tag_id = p_tag_id;
        IF FOUND OR v_body IS NOT NULL THEN
            PERFORM recommender._request_refresh(p_user_id, ARRAY['filter'], ARRAY[NULL::jsonb]);
            RETURN QUERY SELECT 204, NULL::json, NULL::json;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY SELECT
        404, NULL::json,
        recommender._problem(404, 'Not Found', 'there is no tag with this id');
END;
$$;

COMMENT ON FUNCTION recommender.set_demo_interest(integer, integer, boolean) IS
'Demo only: makes a tag one of a student''s interests and answers 201 with its id and name, or takes that back and answers 204, however often it is repeated, and has the list refreshed where a filter would; 401 or 403 for an account that may not, 404 for an unknown tag or NULL. One row.';
