-- One row is one interaction that had happened by the moment.

CREATE OR REPLACE VIEW recommender.source_interactions AS
SELECT
    i.id,
    i.user_id,
    i.event_id,
    i.interaction_type::text AS interaction_type,
    i.occurred_at,
    recommender._as_jsonb(i.meta) AS meta
FROM public.event_interactions AS i
WHERE i.occurred_at <= (SELECT recommender.as_of());

COMMENT ON VIEW recommender.source_interactions IS
'One row is one interaction up to recommender.as_of(); user_id is NULL for visitors, event_id for search and filter, meta is any JSON or NULL. Adaptation point.';
