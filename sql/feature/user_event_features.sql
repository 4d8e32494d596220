-- One row is one (student, event) pair with its eight features: the definition, never stored.
--
-- The shape matters: the student's side hangs on the student (LATERAL), so that a filter on user_id
-- reaches the base tables, and the event's side on nobody, so that it is computed once a query. The
-- bias is an attribute that everybody shares, so that pairs that share nothing else are there too.

CREATE OR REPLACE VIEW recommender.user_event_features AS
SELECT
    p.user_id,
    p.event_id,
    e.bias,
    coalesce(p.overlap_interest_ratio, 0) AS overlap_interest_ratio,
    coalesce(p.overlap_history_ratio, 0) AS overlap_history_ratio,
    coalesce(p.same_city, 0) AS same_city,
    coalesce(p.category_match, 0) AS category_match,
    coalesce(p.organizer_match, 0) AS organizer_match,
    e.popularity,
    e.days_until
FROM (
    SELECT
        s.user_id,
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
    FROM recommender.source_students AS s
    CROSS JOIN LATERAL (
        SELECT
            u.feature,
            u.attribute,
            u.weight
        FROM recommender.user_attributes AS u
        WHERE u.user_id = s.user_id
        UNION ALL
        SELECT
            'bias' AS feature,
            '' AS attribute,
            1 AS weight
    ) AS ua
    INNER JOIN (
        SELECT
            a.event_id,
            a.feature,
            a.attribute,
            a.value
        FROM recommender.event_attributes AS a
        UNION ALL
        SELECT
            b.event_id,
            'bias' AS feature,
            '' AS attribute,
            1 AS value
        FROM recommender.source_events AS b
    ) AS ea ON ea.feature = ua.feature AND ea.attribute = ua.attribute
    GROUP BY s.user_id, ea.event_id
) AS p
INNER JOIN recommender.event_features AS e ON e.event_id = p.event_id;

COMMENT ON VIEW recommender.user_event_features IS
'One row is one (student, event that is not deleted) pair with the eight features in the order of recommender_models.feature_names, at recommender.as_of(); none is NULL. Ask for students or events: it is never computed for everybody except as a benchmark.';
