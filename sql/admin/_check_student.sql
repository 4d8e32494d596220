-- Refuses somebody who is not a student.

CREATE OR REPLACE FUNCTION recommender._check_student(p_user_id integer)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM recommender.source_students AS s WHERE s.user_id = p_user_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER020',
            MESSAGE = format('there is no student %s', coalesce(p_user_id::text, 'NULL')),
            HINT = 'lists are for users whose role is student';
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._check_student(integer) IS
'Raises ER020 for somebody who is not a student.';
