-- Says that a past moment may not silently replace what is served.

CREATE OR REPLACE FUNCTION recommender._refuse_older_list(
    p_user_id integer, p_stored timestamptz, p_as_of timestamptz
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'ER030',
        MESSAGE = format(
            'the list of student %s is of %s, later than %s', p_user_id, p_stored, p_as_of
        ),
        HINT = 'a past moment replaces newer lists only with overwrite (--overwrite, p_overwrite)';
END;
$$;

COMMENT ON FUNCTION recommender._refuse_older_list(integer, timestamptz, timestamptz) IS
'Raises ER030: the stored list is of a later moment than the one to be written.';
