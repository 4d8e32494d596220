-- One row is one (student, event) pair with its eight features: the definition, never stored.
--
-- The shape matters: only as students CROSS JOIN LATERAL (events LEFT JOIN one student's matches)
-- do filters on user_id and event_id reach the base tables.

CREATE OR REPLACE VIEW recommender.user_event_features AS
SELECT
    s.user_id,
    f.event_id,
    f.bias,
    f.overlap_interest_ratio,
    f.overlap_history_ratio,
    f.same_city,
    f.category_match,
    f.organizer_match,
    f.popularity,
    f.days_until
FROM recommender.source_students AS s
CROSS JOIN LATERAL (
    SELECT
        e.event_id,
        e.bias,
        coalesce(m.overlap_interest_ratio, 0) AS overlap_interest_ratio,
        coalesce(m.overlap_history_ratio, 0) AS overlap_history_ratio,
        coalesce(m.same_city, 0) AS same_city,
        coalesce(m.category_match, 0) AS category_match,
        coalesce(m.organizer_match, 0) AS organizer_match,
        e.popularity,
        e.days_until
    FROM recommender.event_features AS e
    LEFT JOIN (
        SELECT
            ea.event_id,
            sum(ua.weight * ea.value) FILTER (
                WHERE ea.feature = 'overlap_interest_ratio'
            ) AS overlap_interest_ratio,
            sum(ua.weight * ea.value) FILTER (
                WHERE ea.feature = 'overlap_history_ratio'
            ) AS overlap_history_ratio,
            sum(ua.weight * ea.value) FILTER (WHERE ea.feature = 'same_city') AS same_city,
            sum(ua.weight * ea.value) FILTER (
                WHERE ea.feature = 'category_match'
            ) AS category_match,
            sum(ua.weight * ea.value) FILTER (
                WHERE ea.feature = 'organizer_match'
            ) AS organizer_match
        FROM recommender.user_attributes AS ua
        INNER JOIN recommender.event_attributes AS ea
            ON ea.feature = ua.feature AND ea.attribute = ua.attribute
        WHERE ua.user_id = s.user_id
        GROUP BY ea.event_id
    ) AS m ON m.event_id = e.event_id
) AS f;

COMMENT ON VIEW recommender.user_event_features IS
'One row is one (student, event that is not deleted) pair with the eight features in the order of recommender_models.feature_names, at recommender.as_of(); none is NULL. Ask for students or events: it is never computed for everybody except as a benchmark.';
