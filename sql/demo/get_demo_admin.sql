-- POST /api/demo/desk-session: the admin whom a visitor of the demo may be.

CREATE OR REPLACE FUNCTION recommender.get_demo_admin()
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
BEGIN
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object('user_id', u.user_id, 'full_name', u.full_name)
    FROM recommender.source_users AS u
    WHERE u.role = 'admin' AND u.is_active
    ORDER BY u.user_id
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN QUERY SELECT
            404, NULL::json,
            recommender._problem(404, 'Not Found', 'there is no active admin');
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender.get_demo_admin() IS
'Demo only: 200 with user_id and full_name of the active admin with the lowest id, 404 if there is none. One row.';
