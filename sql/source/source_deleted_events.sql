-- One row is one event that is deleted at the moment: nobody is shown it, an admin may ask why.

CREATE OR REPLACE VIEW recommender.source_deleted_events AS
SELECT
    e.id AS event_id,
    e.deleted_at
FROM public.events AS e
WHERE e.deleted_at <= (SELECT recommender.as_of());

COMMENT ON VIEW recommender.source_deleted_events IS
'One row is one event that was deleted by recommender.as_of(); source_events has all others. Adaptation point.';
