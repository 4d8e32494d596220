-- One row is one event in one student's history: something positive happened, and no unregister.
--
-- Grouped before anything is joined, so that a million clicks on a few events stay a few rows.

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
    UNION
    SELECT
        f.user_id,
        f.event_id
    FROM recommender.source_favorites AS f
    UNION
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
'One row is one (user, event that is not deleted) with a registration, favourite, click, view, dwell, share, favorite or register interaction, and the event''s category and organizer. An unregister removes it, whatever came first.';
