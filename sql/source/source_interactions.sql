-- One row is one interaction that had happened by the moment, or what retention kept of some.
--
-- The moment is asked of both at once: branches without a WHERE of their own are taken apart by
-- the planner, and a user_id, also one of a join, reaches the indexes of both tables.

CREATE OR REPLACE VIEW recommender.source_interactions AS
SELECT
    a.id,
    a.user_id,
    a.event_id,
    a.interaction_type,
    a.occurred_at,
    a.meta
FROM (
    SELECT
        i.id,
        i.user_id,
        i.event_id,
        i.interaction_type::text AS interaction_type,
        i.occurred_at,
        recommender._as_jsonb(i.meta) AS meta
    FROM public.event_interactions AS i
    UNION ALL
    SELECT
        NULL AS id,
        h.user_id,
        h.event_id,
        h.interaction_type,
        h.occurred_at,
        h.meta
    FROM public.interaction_history AS h
) AS a
WHERE a.occurred_at <= (SELECT recommender.as_of());

COMMENT ON VIEW recommender.source_interactions IS
'One row is one interaction up to recommender.as_of(), also one that only interaction_history still has (id is NULL); user_id is NULL for visitors, event_id for search and filter, meta is any JSON or NULL. Adaptation point.';
