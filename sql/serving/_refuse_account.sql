-- Why an account may not ask: no row if it may.

CREATE OR REPLACE FUNCTION recommender._refuse_account(
    p_user_id integer, p_account recommender.source_users, p_role text
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF p_user_id IS NULL AND p_role IS NOT NULL THEN
        RETURN QUERY SELECT
            401,
            json_build_object('WWW-Authenticate', 'Bearer'),
            recommender._problem(
                401, 'Unauthorized', 'this needs a token: Authorization: Bearer <token>'
            );
    ELSIF p_user_id IS NOT NULL AND p_account.user_id IS NULL THEN
        RETURN QUERY SELECT
            401,
            json_build_object(
                'WWW-Authenticate',
                'Bearer error="invalid_token", error_description="the account does not exist"'
            ),
            recommender._problem(
                401, 'Unauthorized', 'the account of this token does not exist any more'
            );
    ELSIF p_user_id IS NOT NULL AND p_account.is_active IS NOT TRUE THEN
        RETURN QUERY SELECT
            403, NULL::json,
            recommender._problem(403, 'Forbidden', 'this account is not active');
    ELSIF p_account.role IS DISTINCT FROM p_role AND p_role IS NOT NULL THEN
        RETURN QUERY SELECT
            403, NULL::json,
            recommender._problem(403, 'Forbidden', format(
                'this is for %ss, and the account''s role is %s', p_role, p_account.role
            ));
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._refuse_account(
    integer, recommender.source_users, text
) IS
'The answer for an account that may not ask, or no row: 401 without a token where a role is needed (p_role: student or admin; NULL: anybody), 401 for a token whose account is gone (p_account all NULL), 403 for an inactive one and for another role.';
