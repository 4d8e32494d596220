-- DELETE /api/me/personalization/hidden-tags/{id}: a student sees a tag again.

CREATE OR REPLACE FUNCTION recommender.unhide_tag(p_user_id integer, p_tag_id integer)
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
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, true) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT json_build_object('id', t.tag_id, 'name', t.name) INTO v_body
    FROM recommender.source_tags AS t WHERE t.tag_id = p_tag_id;
    IF v_body IS NULL THEN
        RETURN QUERY SELECT
            404, NULL::json,
            recommender._problem(404, 'Not Found', format('there is no tag %s', p_tag_id));
        RETURN;
    END IF;
    DELETE FROM recommender.source_hidden_tags AS h
    WHERE h.user_id = p_user_id AND h.tag_id = p_tag_id;
    RETURN QUERY SELECT 204, NULL::json, NULL::json;
END;
$$;

COMMENT ON FUNCTION recommender.unhide_tag(integer, integer) IS
'Shows a tag to an account again and answers 204, hidden or not; 401 or 403 for an account that may not, 404 for an unknown tag. One row.';
