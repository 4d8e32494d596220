-- POST and GET /api/demo/session: the student a visitor of the demo has chosen to be.

CREATE OR REPLACE FUNCTION recommender.get_demo_student(p_user_id integer)
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
        json_build_object(
            'student', json_build_object(
                'id', u.user_id, 'full_name', u.full_name, 'city', p.city
            )
        )
    FROM recommender.source_users AS u
    -- The city as the student wrote it.
    INNER JOIN public.users AS p ON p.id = u.user_id
    WHERE u.user_id = p_user_id AND u.role = 'student' AND u.is_active;
    IF NOT FOUND THEN
        RETURN QUERY SELECT
            404, NULL::json,
            recommender._problem(404, 'Not Found', 'there is no active student with this id');
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender.get_demo_student(integer) IS
'Demo only: 200 with student (id, full_name, city) for an active student, 404 for anybody else or NULL. One row.';
