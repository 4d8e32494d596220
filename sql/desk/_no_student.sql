-- The answer for somebody who is not a student: no row for a student.

CREATE OR REPLACE FUNCTION recommender._no_student(p_student_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT
        404,
        NULL::json,
        recommender._problem(404, 'Not Found', 'there is no student with this id')
    WHERE NOT EXISTS (
        SELECT FROM recommender.source_students AS s WHERE s.user_id = p_student_id
    );
END;
$$;

COMMENT ON FUNCTION recommender._no_student(integer) IS
'404 for an id that is no student''s, or NULL; else no row.';
