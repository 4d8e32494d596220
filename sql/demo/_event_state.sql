-- What an event's page says of the event to somebody: whether it can be had, and if not, why.
--
-- The demo stands in for the app, whose tables it reads and writes here. now() is older than what
-- others have committed since: who waited for the last seat has to see who took it.

CREATE OR REPLACE FUNCTION recommender._event_state(
    p_user_id integer,
    p_event_id integer,
    OUT state text,
    OUT is_registered boolean,
    OUT is_favorite boolean,
    OUT seats_taken bigint
)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_moment timestamptz := CASE WHEN v_as_of = now() THEN clock_timestamp() ELSE v_as_of END;
    v_event public.events;
    v_hidden_tag_ids integer[] := recommender._hidden_tag_ids(p_user_id);
    v_is_hidden boolean;
BEGIN
    SELECT
        count(*),
        coalesce(bool_or(r.user_id = p_user_id), false)
    INTO seats_taken, is_registered
    FROM public.registrations AS r
    WHERE
        r.event_id = p_event_id
        AND (r.registration_time IS NULL OR r.registration_time <= v_moment)
        AND (r.deleted_at IS NULL OR r.deleted_at > v_moment);
    is_favorite := EXISTS (
        SELECT FROM public.favorite_events AS f
        WHERE
            f.user_id = p_user_id
            AND f.event_id = p_event_id
            AND (f.created_at IS NULL OR f.created_at <= v_moment)
    );
    SELECT e.* INTO v_event
    FROM public.events AS e
    WHERE
        e.id = p_event_id
        AND e.status::text IN ('published', 'cancelled')
        AND coalesce(e.publish_at, e.created_at, '-infinity') <= v_as_of;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_is_hidden := EXISTS (
        SELECT FROM recommender.source_blocked_organizers AS b
        WHERE b.user_id = p_user_id AND b.organizer_id = v_event.owner_id
    ) OR EXISTS (
        SELECT FROM recommender.source_tag_links AS l
        WHERE l.event_id = p_event_id AND l.tag_id = ANY (v_hidden_tag_ids)
    );
    state := CASE
        WHEN v_event.status::text = 'cancelled' OR v_event.deleted_at <= v_moment THEN 'cancelled'
        WHEN v_event.start_time < v_as_of THEN 'over'
        WHEN is_registered THEN 'registered'
        WHEN seats_taken >= v_event.max_seats THEN 'full'
        WHEN v_is_hidden THEN 'hidden'
        ELSE 'open'
    END;
END;
$$;

COMMENT ON FUNCTION recommender._event_state(integer, integer) IS
'What an event is for an account (NULL: nobody in particular) at recommender.as_of(), the first that holds: cancelled (by its status, or deleted), over (it has started), registered, full, hidden (a tag of it is hidden or its organizer blocked: it can be had all the same), open; NULL for an event that nobody may see. With whether the account is registered and has it as a favourite, and the seats taken.';
