-- One row is one event a student had saved by the moment.

CREATE OR REPLACE VIEW recommender.source_favorites AS
SELECT
    f.user_id,
    f.event_id
FROM public.favorite_events AS f
WHERE f.created_at IS NULL OR f.created_at <= (SELECT recommender.as_of());

COMMENT ON VIEW recommender.source_favorites IS
'One row is one favourite made by recommender.as_of(). Adaptation point.';
