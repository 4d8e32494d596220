-- Why a student does not see an event: every check that serving makes, and the verdict.

CREATE OR REPLACE FUNCTION recommender.why_not(
    p_user_id integer, p_event_id integer, p_top_n integer DEFAULT 10
)
RETURNS TABLE (check_name text, passed boolean, detail text)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_obstacles text;
    v_is_eligible boolean;
    v_place integer;
    v_source text;
    v_place_detail text := 'none: a check before this one failed';
BEGIN
    PERFORM recommender._validate_top_n(p_top_n);
    PERFORM recommender._check_student(p_user_id);
    SELECT
        string_agg(c.detail, '; ' ORDER BY c.check_no) FILTER (WHERE NOT c.passed),
        bool_and(c.passed) FILTER (WHERE c.check_name <> 'account')
    INTO v_obstacles, v_is_eligible
    FROM recommender._event_checks(p_user_id, p_event_id) AS c;
    IF v_is_eligible IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER021',
            MESSAGE = format('there is no event %s', coalesce(p_event_id::text, 'NULL')),
            HINT = 'it never existed';
    ELSIF v_is_eligible THEN
        -- All there is: the place of what comes too late is told as well.
        SELECT k.place, k.source INTO v_place, v_source
        FROM recommender.pick_events(p_user_id, 10000) AS k
        WHERE k.event_id = p_event_id;
        v_place_detail := format(
            'place %s, %s; %s shown', coalesce(v_place::text, 'beyond 10000'),
            CASE v_source
                WHEN 'list' THEN 'from the list'
                WHEN 'tags' THEN 'by tags'
                ELSE 'by popularity'
            END,
            CASE WHEN p_top_n = 1 THEN '1 is' ELSE p_top_n || ' are' END
        );
        IF (v_place <= p_top_n) IS NOT TRUE THEN
            v_obstacles := concat_ws('; ', v_obstacles, v_place_detail);
        END IF;
    END IF;
    RETURN QUERY
    SELECT c.check_name, c.passed, c.detail
    FROM recommender._event_checks(p_user_id, p_event_id) AS c
    ORDER BY c.check_no;
    RETURN QUERY VALUES
    ('list', NULL::boolean, recommender._list_detail(p_user_id)),
    ('rank', NULL, recommender._rank_detail(p_user_id, p_event_id)),
    ('place', v_is_eligible AND coalesce(v_place <= p_top_n, false), v_place_detail),
    (
        'shown',
        v_obstacles IS NULL,
        coalesce('no: ' || v_obstacles, 'yes: ' || split_part(v_place_detail, ';', 1))
    );
END;
$$;

COMMENT ON FUNCTION recommender.why_not(integer, integer, integer) IS
'One row is one check that decides whether a student is shown an event at recommender.as_of(), in the order of serving: check_name is account, deleted, published, publish_at, started, full, registered, hidden tag, blocked organizer, list, rank, place and, last, the verdict shown. passed is what the check says, NULL where it only tells (list: whether the list is fresh or what chooses instead; rank: which one the model gives); detail says it in a sentence. place is the one among recommender.pick_events, shown up to p_top_n, of which GET /api/recommendations has 10. Of a deleted event only the first two checks are made. Raises ER020 for somebody who is not a student, ER021 for an event that never existed, ER003 for a p_top_n out of bounds.';
