-- One row is one event of a student's list that may still be shown, fresh or not.

CREATE OR REPLACE VIEW recommender.ranked_events AS
SELECT
    r.user_id,
    r.rank,
    r.event_id,
    r.reason,
    e.organizer_id,
    e.city,
    e.city_name
FROM public.user_recommendations AS r
-- OFFSET 0 keeps the look-ups by key: joined flat, the planner may read all events.
CROSS JOIN LATERAL (
    SELECT
        c.organizer_id,
        c.city,
        c.city_name
    FROM recommender.eligible_events AS c
    WHERE c.event_id = r.event_id
    OFFSET 0  -- noqa: AM09
) AS e
WHERE NOT EXISTS (
    SELECT
    FROM recommender.source_registrations AS g
    WHERE g.user_id = r.user_id AND g.event_id = r.event_id
);

COMMENT ON VIEW recommender.ranked_events IS
'One row is one event of one student''s list that is eligible at recommender.as_of() and that the student is not registered for; ranks keep their gaps. Freshness (recommender.fresh_lists), hidden tags and blocked organizers are the caller''s to ask.';
