-- One row is one event a student said something about: yes or no, and how loud.

CREATE OR REPLACE VIEW recommender.training_labels AS
SELECT
    s.user_id,
    s.event_id,
    -- An unregister is an explicit no, whatever came before or after it.
    CASE WHEN bool_or(s.is_no) THEN 0 ELSE 1 END AS label,
    CASE WHEN bool_or(s.is_no) THEN 2.0 ELSE max(s.weight) END AS weight
FROM (
    SELECT
        x.user_id,
        x.event_id,
        x.weight,
        false AS is_no
    FROM recommender.training_signals AS x
    UNION ALL
    SELECT
        i.user_id,
        i.event_id,
        0 AS weight,
        true AS is_no
    FROM recommender.source_interactions AS i
    WHERE i.interaction_type = 'unregister'
) AS s
INNER JOIN recommender.source_students AS t ON t.user_id = s.user_id
INNER JOIN recommender.source_events AS e ON e.event_id = s.event_id
GROUP BY s.user_id, s.event_id;

COMMENT ON VIEW recommender.training_labels IS
'One row is one (student, event that is not deleted) with a signal up to recommender.as_of(): label 1 with the weight of the strongest signal (recommender.training_signals), or label 0 with weight 2.0 after an unregister. None is NULL.';
