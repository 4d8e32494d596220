-- Says that a past moment may not silently replace what is served.

CREATE OR REPLACE FUNCTION recommender.refuse_newer_lists(
    p_as_of timestamptz, p_user_id integer DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_newer public.recommendation_lists;
BEGIN
    -- The present may replace everything: what is later than now was a mistake.
    IF p_as_of = now() THEN
        RETURN;
    END IF;
    SELECT l.* INTO v_newer
    FROM public.recommendation_lists AS l
    WHERE
        (p_user_id IS NULL OR l.user_id = p_user_id)
        AND l.generated_at > p_as_of
    ORDER BY l.generated_at DESC, l.user_id
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER030',
            MESSAGE = format(
                'the list of student %s is of %s, later than %s',
                v_newer.user_id, v_newer.generated_at, p_as_of
            ),
            HINT = 'an earlier moment replaces it only with --overwrite (p_overwrite => true)';
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender.refuse_newer_lists(timestamptz, integer) IS
'Raises ER030 when a list (of one student, or NULL: of anybody) speaks for a later moment than p_as_of; never while p_as_of is now().';
