-- One row is one student at one event that took place.
--
-- registrations.attended is no witness: most apps leave it false.

CREATE OR REPLACE VIEW recommender.attendances AS
SELECT
    r.user_id,
    h.event_id,
    h.organizer_id,
    h.category,
    h.title,
    h.start_time
FROM (
    SELECT DISTINCT
        s.user_id,
        s.event_id
    FROM recommender.source_registrations AS s
) AS r
INNER JOIN recommender.held_events AS h ON h.event_id = r.event_id;

COMMENT ON VIEW recommender.attendances IS
'One row is one (user, event of held_events, with organizer_id, category, title and start_time) with a registration in force at recommender.as_of(), whatever its column attended says: it is false in most databases, also for those who came.';
