-- One row is one event that is not deleted at the moment; edits are not versioned.

CREATE OR REPLACE VIEW recommender.source_events AS
SELECT
    e.id AS event_id,
    e.title::text AS title,
    recommender.normalize_text(e.category) AS category,
    recommender.normalize_text(e.city) AS city,
    e.owner_id AS organizer_id,
    e.start_time,
    e.max_seats,
    coalesce(e.publish_at, e.created_at, '-infinity')
    <= (SELECT recommender.as_of()) AS is_known,
    e.status::text = 'published' AS is_published,
    e.description::text AS description,
    e.category::text AS category_name,
    e.city::text AS city_name,
    e.location::text AS location,
    e.end_time,
    e.cover_url::text AS cover_url,
    e.status::text AS status,
    e.publish_at
FROM public.events AS e
WHERE e.deleted_at IS NULL OR e.deleted_at > (SELECT recommender.as_of());

COMMENT ON VIEW recommender.source_events IS
'One row is one event that is not deleted at recommender.as_of(): normalised category and city, organizer, start, max_seats (NULL: no limit), is_known (publish_at, or created_at where there is none, not later than the moment) and is_published (status); category_name and city_name are as the app wrote them, and the rest is what clients are shown. Adaptation point.';
