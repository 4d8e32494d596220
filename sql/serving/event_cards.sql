-- One row is one event as clients see it: the fields of an event in an answer, but its reason.

CREATE OR REPLACE VIEW recommender.event_cards AS
SELECT
    e.event_id AS id,
    e.title,
    e.description,
    e.category_name AS category,
    e.start_time,
    e.end_time,
    e.city_name AS city,
    e.location,
    e.max_seats,
    e.cover_url,
    e.organizer_id AS owner_id,
    (
        SELECT coalesce(nullif(btrim(u.org_name), ''), u.full_name)
        FROM recommender.source_users AS u
        WHERE u.user_id = e.organizer_id
    ) AS owner_name,
    (
        SELECT coalesce(
            json_agg(
                json_build_object('id', t.tag_id, 'name', t.name)
                ORDER BY t.name COLLATE "C", t.tag_id
            ),
            '[]'
        )
        FROM recommender.source_tag_links AS l
        INNER JOIN recommender.source_tags AS t ON t.tag_id = l.tag_id
        WHERE l.event_id = e.event_id
    ) AS tags,
    (
        SELECT count(*)
        FROM recommender.source_registrations AS r
        WHERE r.event_id = e.event_id
    ) AS seats_taken,
    e.status,
    e.publish_at
FROM recommender.source_events AS e;

COMMENT ON VIEW recommender.event_cards IS
'One row is one event that is not deleted, as clients see it: names as the app wrote them, owner_name (organisation, else full name; NULL: neither), tags (JSON array of id and name, by name), seats_taken at recommender.as_of(). Whether somebody may see it is not decided here.';
