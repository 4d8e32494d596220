-- GET /api/me/personalization: what a student does not want to see.

CREATE OR REPLACE FUNCTION recommender.get_personalization(p_user_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, 'student') AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object(
            'hidden_tags', x.hidden_tags, 'blocked_organizers', x.blocked_organizers
        )
    FROM recommender._exclusions(p_user_id) AS x;
END;
$$;

COMMENT ON FUNCTION recommender.get_personalization(integer) IS
'The answer of GET /api/me/personalization for an account (NULL: no token): 200 with hidden_tags (id, name) and blocked_organizers (id, org_name, full_name), else 401 or 403. One row.';
