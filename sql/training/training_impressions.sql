-- One row is one event a student was shown, and the best place it was shown at.

CREATE OR REPLACE VIEW recommender.training_impressions AS
SELECT
    i.user_id,
    i.event_id,
    min(
        CASE WHEN jsonb_typeof(i.meta -> 'position') = 'number'
            AND (i.meta ->> 'position')::numeric >= 0
            THEN (i.meta ->> 'position')::numeric
        END
    ) AS best_position
FROM recommender.source_interactions AS i
INNER JOIN recommender.source_events AS e ON e.event_id = i.event_id
WHERE i.interaction_type = 'impression' AND i.user_id IS NOT NULL
GROUP BY i.user_id, i.event_id;

COMMENT ON VIEW recommender.training_impressions IS
'One row is one (user, event) shown by recommender.as_of(); best_position is the smallest 0-based position, NULL when none was a number from 0 on.';
