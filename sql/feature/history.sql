-- One row is one positive signal of one student for one event; a pair may come several times.

CREATE OR REPLACE VIEW recommender.history AS
SELECT
    p.user_id,
    p.event_id,
    e.category,
    e.organizer_id
FROM (
    SELECT
        r.user_id,
        r.event_id
    FROM recommender.source_registrations AS r
    UNION ALL
    SELECT
        f.user_id,
        f.event_id
    FROM recommender.source_favorites AS f
    UNION ALL
    SELECT
        i.user_id,
        i.event_id
    FROM recommender.source_interactions AS i
    WHERE
        i.interaction_type IN ('click', 'view', 'dwell', 'share', 'favorite', 'register')
        AND i.event_id IS NOT NULL
        AND i.user_id IS NOT NULL
) AS p
INNER JOIN recommender.source_events AS e ON e.event_id = p.event_id
WHERE NOT EXISTS (
    SELECT
    FROM recommender.source_interactions AS u
    WHERE
        u.user_id = p.user_id
        AND u.event_id = p.event_id
        AND u.interaction_type = 'unregister'
);

COMMENT ON VIEW recommender.history IS
'One row is one positive signal (registration, favourite, click, view, dwell, share, favorite or register interaction) on an event that is not deleted, with the event''s category and organizer. A pair may come several times; an unregister removes it, whatever came first.';
