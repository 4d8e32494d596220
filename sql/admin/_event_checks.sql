-- Whether an event may be shown to a student at all: one row a check, as serving makes them.

CREATE OR REPLACE FUNCTION recommender._event_checks(p_user_id integer, p_event_id integer)
RETURNS TABLE (check_no integer, check_name text, passed boolean, detail text)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT
        1,
        'account',
        coalesce(s.is_active, false),
        CASE WHEN s.is_active
            THEN 'the account is active'
            ELSE 'the account is inactive: the API refuses it'
        END
    FROM recommender.source_students AS s
    WHERE s.user_id = p_user_id
    UNION ALL
    SELECT
        2,
        'deleted',
        false,
        'it was deleted ' || recommender._moment_text(d.deleted_at)
    FROM recommender.source_deleted_events AS d
    WHERE d.event_id = p_event_id
    UNION ALL
    SELECT
        c.check_no,
        c.check_name,
        c.passed,
        c.detail
    FROM recommender.source_events AS e
    CROSS JOIN LATERAL (
        SELECT
            recommender.as_of() AS moment,
            (
                SELECT count(*) FROM recommender.source_registrations AS r
                WHERE r.event_id = e.event_id
            ) AS seats_taken,
            EXISTS (
                SELECT FROM recommender.source_registrations AS r
                WHERE r.event_id = e.event_id AND r.user_id = p_user_id
            ) AS is_registered,
            (
                SELECT string_agg(t.name, ', ' ORDER BY t.name COLLATE "C")
                FROM recommender.source_tag_links AS l
                INNER JOIN recommender.source_tags AS t ON t.tag_id = l.tag_id
                WHERE
                    l.event_id = e.event_id
                    AND l.tag_id = ANY (recommender._hidden_tag_ids(p_user_id))
            ) AS hidden_tags,
            (
                SELECT format('organizer %s', coalesce(u.org_name, u.full_name, u.user_id::text))
                FROM recommender.source_users AS u
                WHERE u.user_id = e.organizer_id
            ) AS organizer,
            EXISTS (
                SELECT FROM recommender.source_blocked_organizers AS b
                WHERE b.user_id = p_user_id AND b.organizer_id = e.organizer_id
            ) AS is_blocked
    ) AS x
    CROSS JOIN LATERAL (
        VALUES
        (2, 'deleted', true, 'it is not deleted'),
        (3, 'published', coalesce(e.is_published, false), format('its status is %s', e.status)),
        (
            4, 'publish_at', e.is_known, CASE
                WHEN e.is_known AND e.publish_at IS NULL THEN 'it has no publish_at'
                WHEN e.is_known
                    THEN 'it is out since ' || recommender._moment_text(e.publish_at)
                WHEN e.publish_at IS NULL THEN 'it was created later than this moment'
                ELSE 'it comes out ' || recommender._moment_text(e.publish_at)
            END
        ),
        (
            5, 'started', coalesce(e.start_time >= x.moment, false), CASE
                WHEN e.start_time >= x.moment
                    THEN 'it starts ' || recommender._moment_text(e.start_time)
                ELSE coalesce(
                    'it started ' || recommender._moment_text(e.start_time), 'it has no start'
                )
            END
        ),
        (
            6, 'full', coalesce(x.seats_taken < e.max_seats, true), coalesce(
                x.seats_taken || ' of its ' || e.max_seats || ' seats are taken',
                'its seats are not limited'
            )
        ),
        (
            7, 'registered', NOT x.is_registered, CASE WHEN x.is_registered
                THEN 'the student is registered for it'
                ELSE 'the student is not registered for it'
            END
        ),
        (
            8, 'hidden tag', x.hidden_tags IS NULL, coalesce(
                'the student hides ' || x.hidden_tags, 'the student hides none of its tags'
            )
        ),
        (
            9, 'blocked organizer', NOT x.is_blocked, CASE WHEN x.is_blocked
                THEN 'the student blocks ' || coalesce(x.organizer, 'its organizer')
                ELSE 'the student does not block ' || coalesce(x.organizer, 'its organizer')
            END
        )
    ) AS c (check_no, check_name, passed, detail)
    WHERE e.event_id = p_event_id;
END;
$$;

COMMENT ON FUNCTION recommender._event_checks(integer, integer) IS
'The checks account, deleted, published, publish_at, started, full, registered, hidden tag and blocked organizer at recommender.as_of(): whether each lets the event pass, and why. Of a deleted event only the first two are made; no row of an event that never existed.';
