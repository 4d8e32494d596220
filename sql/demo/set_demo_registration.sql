-- POST and DELETE /api/demo/events/{id}/registration: a student takes a seat, or gives it back.

CREATE OR REPLACE FUNCTION recommender.set_demo_registration(
    p_user_id integer, p_event_id integer, p_is_registered boolean
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
    v_event record;
    v_registration_id bigint;
    v_trouble text;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, 'student') AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    -- One at a time for each event: the seats are counted by who may change them. Rows that refer
    -- to the event need not wait.
    PERFORM FROM public.events AS e WHERE e.id = p_event_id FOR NO KEY UPDATE;
    SELECT s.* INTO v_event FROM recommender._event_state(p_user_id, p_event_id) AS s;
    v_trouble := CASE
        WHEN v_event.state = 'over' AND (p_is_registered OR v_event.is_registered)
            THEN 'this event has already started'
        WHEN v_event.state = 'cancelled' AND p_is_registered THEN 'this event is cancelled'
        WHEN v_event.state = 'full' AND p_is_registered
            THEN 'this event is full: all its seats are taken'
    END;
    IF v_trouble IS NOT NULL THEN
        RETURN QUERY SELECT 409, NULL::json, recommender._problem(409, 'Conflict', v_trouble);
        RETURN;
    ELSIF NOT p_is_registered AND (v_event.is_registered OR v_event.state IS NOT NULL) THEN
        -- One made while this waited may be younger than this transaction.
        UPDATE public.registrations AS r
        SET deleted_at = greatest(r.registration_time, recommender.as_of())
        WHERE
            r.user_id = p_user_id
            AND r.event_id = p_event_id
            AND v_event.is_registered
            AND (r.deleted_at IS NULL OR r.deleted_at > recommender.as_of());
        RETURN QUERY SELECT 204, NULL::json, NULL::json;
        RETURN;
    ELSIF v_event.state IS NULL THEN
        RETURN QUERY SELECT
            404, NULL::json,
            recommender._problem(404, 'Not Found', 'there is no event with this id');
        RETURN;
    END IF;
    IF v_event.state <> 'registered' THEN
        -- A seat that was given back is taken again; an app may allow one row a student and event.
        SELECT r.id INTO v_registration_id
        FROM public.registrations AS r
        WHERE r.user_id = p_user_id AND r.event_id = p_event_id
        ORDER BY r.registration_time DESC, r.id DESC
        LIMIT 1;
        IF FOUND THEN
            UPDATE public.registrations AS r SET
                registration_time = recommender.as_of(),
                deleted_at = NULL
            WHERE r.id = v_registration_id;
        ELSE
            INSERT INTO public.registrations (user_id, event_id, registration_time)
            VALUES (p_user_id, p_event_id, recommender.as_of());
        END IF;
        v_event.seats_taken := v_event.seats_taken + 1;
    END IF;
    RETURN QUERY SELECT
        201,
        NULL::json,
        json_build_object(
            'registered', true,
            'seats_taken', v_event.seats_taken,
            'is_new', v_event.state <> 'registered'
        );
END;
$$;

COMMENT ON FUNCTION recommender.set_demo_registration(integer, integer, boolean) IS
'Demo only: registers a student for an event at recommender.as_of() and answers 201 with registered, seats_taken and is_new (false: the student was registered already), or withdraws the registration (deleted_at) and answers 204, however often it is repeated; 409 for an event that is full, cancelled or has started, 404 for one that nobody may see or NULL, 401 or 403 for an account that may not. Locks the event, so that a last seat is given once. One row.';
