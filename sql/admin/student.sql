-- What is known of a student: one row an attribute, with where it comes from and what it weighs.

CREATE OR REPLACE FUNCTION recommender.student(p_user_id integer)
RETURNS TABLE (
    feature text,
    attribute text,
    weight double precision,
    sources text[],
    score double precision,
    last_seen_at timestamptz
)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    PERFORM recommender._check_student(p_user_id);
    RETURN QUERY
    WITH reasons AS (
        SELECT
            s.feature,
            s.attribute,
            array_agg(DISTINCT s.source ORDER BY s.source) AS sources,
            max(s.score) FILTER (WHERE s.source = 'implicit') AS score,
            max(s.last_seen_at) AS last_seen_at
        FROM recommender.user_attribute_sources AS s
        WHERE s.user_id = p_user_id
        GROUP BY s.feature, s.attribute
    )

    SELECT
        a.feature,
        a.attribute,
        a.weight,
        r.sources,
        r.score,
        r.last_seen_at
    FROM recommender.user_attributes AS a
    INNER JOIN reasons AS r ON r.feature = a.feature AND r.attribute = a.attribute
    WHERE a.user_id = p_user_id
    ORDER BY
        array_position(
            recommender.feature_names() || recommender.feature_names('extended'), a.feature
        ),
        a.weight DESC,
        a.attribute COLLATE "C";
END;
$$;

COMMENT ON FUNCTION recommender.student(integer) IS
'One row is one attribute of one student at recommender.as_of(), in the order of the features, what weighs most first: tags, cities and categories normalised, organizers by id. weight is what it counts for now, between 0 and 1, in extended features as recommender.attendance_attributes says; sources says why it is there: interest (chosen), history, profile (the home city), search, implicit_home (the city the clicks speak for, where no other is known), implicit, attendance (events attended, in extended features). score and last_seen_at are the stored implicit score, before it is halved with age, and when it was last raised; NULL without source implicit, and the largest of each where several spellings are the same. No row: nothing is known. Raises ER020 for somebody who is not a student.';
