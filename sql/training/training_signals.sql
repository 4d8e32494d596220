-- One row is one signal that a student wanted an event, and how much it counts.

CREATE OR REPLACE VIEW recommender.training_signals AS
SELECT
    r.user_id,
    r.event_id,
    CASE
        WHEN
            r.attended
            -- It is not known since when; before the event it cannot have been.
            AND (
                NOT (SELECT recommender._is_backtest())
                OR EXISTS (
                    SELECT FROM recommender.source_events AS e
                    WHERE
                        e.event_id = r.event_id
                        AND e.start_time <= (SELECT recommender.as_of())
                )
            )
            THEN 1.5
        ELSE 1.0
    END::double precision AS weight
FROM recommender.source_registrations AS r
UNION ALL
SELECT
    f.user_id,
    f.event_id,
    1.2::double precision AS weight
FROM recommender.source_favorites AS f
UNION ALL
SELECT
    i.user_id,
    i.event_id,
    recommender._signal_weight(i.interaction_type, i.meta) AS weight
FROM recommender.source_interactions AS i
WHERE
    i.interaction_type IN ('click', 'view', 'dwell', 'share', 'favorite', 'register')
    AND i.user_id IS NOT NULL
    AND i.event_id IS NOT NULL;

COMMENT ON VIEW recommender.training_signals IS
'One row is one positive signal up to recommender.as_of() and its weight: registration 1.0 (attended 1.5), favourite 1.2, click 0.4, view 0.25, dwell 0.35 to 0.8 by min(0.8, 0.35 + seconds / 480), share 0.6, favorite 1.2, register 1.0. The weights are the reference''s.';
