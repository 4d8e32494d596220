-- What is known of a student, as JSON.

CREATE OR REPLACE FUNCTION recommender._student_profile(p_student_id integer)
RETURNS json
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN (
        SELECT coalesce(
            json_agg(
                json_build_object(
                    'feature', s.feature,
                    'label', recommender._feature_label(s.feature),
                    'attribute', s.attribute,
                    'name', recommender._attribute_name(s.feature, s.attribute),
                    'weight', s.weight,
                    'sources', s.sources,
                    -- Stored by other programs, too: what JSON has no number for.
                    'score', CASE WHEN s.score BETWEEN -1e300 AND 1e300 THEN s.score END,
                    'last_seen_at', CASE WHEN isfinite(s.last_seen_at) THEN s.last_seen_at END
                )
                ORDER BY s.row_no
            ),
            '[]'
        )
        FROM recommender.student(p_student_id)
            WITH ORDINALITY AS s (
                feature, attribute, weight, sources, score, last_seen_at, row_no
            )
    );
END;
$$;

COMMENT ON FUNCTION recommender._student_profile(integer) IS
'The rows of recommender.student in their order as an array, with the feature''s label and the attribute''s name; a score or moment that is not finite is null.';
