-- POST and GET /api/admin/session: who sits at the desk, and until when.

CREATE OR REPLACE FUNCTION recommender.get_desk_account(
    p_user_id integer, p_expires_at timestamptz
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, false) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object(
            'user_id', u.user_id,
            'full_name', u.full_name,
            'expires_at', p_expires_at
        )
    FROM recommender.source_users AS u
    WHERE u.user_id = p_user_id;
END;
$$;

COMMENT ON FUNCTION recommender.get_desk_account(integer, timestamptz) IS
'The answer of POST and GET /api/admin/session for an account: 200 with user_id, full_name and expires_at, the end of the session as it was given; else 401 or 403. One row.';
