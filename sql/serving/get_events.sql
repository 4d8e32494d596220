-- GET /api/events: one page of the events that match, by time or as recommended.
--
-- The sort never changes which events there are, or the experiment would compare different sets:
-- full ones and those the student is registered for stay, behind the ranked ones.

CREATE OR REPLACE FUNCTION recommender.get_events(
    p_user_id integer,
    p_languages text[],
    p_search text,
    p_category text,
    p_city text,
    p_location text,
    p_tags text[],
    p_start_date date,
    p_end_date date,
    p_include_past boolean,
    p_sort text,
    p_page integer,
    p_page_size integer
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_account recommender.source_users;
    -- NULL dates drop out of both; one lower bound lets an index on start_time be used.
    v_from timestamptz := greatest(
        CASE WHEN p_include_past THEN '-infinity' ELSE recommender.as_of() END,
        p_start_date::timestamp AT TIME ZONE 'UTC'
    );
    v_until timestamptz := (p_end_date + 1)::timestamp AT TIME ZONE 'UTC';
    v_language text;
    v_sort text;
    v_search text := recommender.normalize_text(p_search);
    v_category text := recommender.normalize_text(p_category);
    v_city text := recommender.normalize_text(p_city);
    v_location text := recommender.normalize_text(p_location);
    v_tag_ids integer[];
    v_hidden_tag_ids integer[] := '{}';
    v_blocked integer[] := '{}';
    v_ranked recommender.ranked_events[] := '{}';
    v_total bigint;
    v_event_ids integer[];
    v_places integer[];
    v_reasons text[];
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, false) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    v_language := recommender.choose_language(v_account.language, p_languages);
    IF p_tags IS NOT NULL THEN
        v_tag_ids := ARRAY(
            SELECT t.tag_id FROM recommender.source_tags AS t
            WHERE t.tag IN (SELECT recommender.normalize_text(x.tag) FROM unnest(p_tags) AS x (tag))
        );
    END IF;
    IF p_user_id IS NOT NULL THEN
        v_hidden_tag_ids := recommender._hidden_tag_ids(p_user_id);
        v_blocked := ARRAY(
            SELECT b.organizer_id FROM recommender.source_blocked_organizers AS b
            WHERE b.user_id = p_user_id
        );
    END IF;
    v_sort := recommender._choose_sort(p_user_id, v_account.role, p_sort);
    IF v_sort = 'recommended' THEN
        v_ranked := ARRAY(
            SELECT r
            FROM recommender.ranked_events AS r
            WHERE r.user_id = p_user_id
            ORDER BY r.rank
        );
    END IF;

    WITH matching_events AS MATERIALIZED (
        SELECT
            e.event_id,
            e.start_time
        FROM recommender.source_events AS e
        WHERE
            e.is_published
            AND e.is_known
            AND e.start_time >= v_from
            AND (v_until IS NULL OR e.start_time < v_until)
            AND coalesce(e.organizer_id <> ALL (v_blocked), true)
            AND e.event_id NOT IN (
                SELECT l.event_id FROM recommender.source_tag_links AS l
                WHERE l.tag_id = ANY (v_hidden_tag_ids)
            )
            AND (
                v_tag_ids IS NULL
                OR e.event_id IN (
                    SELECT l.event_id FROM recommender.source_tag_links AS l
                    WHERE l.tag_id = ANY (v_tag_ids)
                )
            )
            AND (v_category IS NULL OR e.category = v_category)
            AND (v_city IS NULL OR e.city = v_city)
            AND (
                v_location IS NULL
                OR strpos(recommender.normalize_text(e.location), v_location) > 0
            )
            AND (
                v_search IS NULL
                OR strpos(recommender.normalize_text(e.title), v_search) > 0
                OR strpos(recommender.normalize_text(e.description), v_search) > 0
            )
    ),

    -- Grouped, not joined: whatever the estimates, this is one hash of the events.
    page_events AS (
        SELECT
            x.event_id,
            min(x.start_time) AS start_time,
            min(x.place) AS place
        FROM (
            SELECT
                m.event_id,
                m.start_time,
                NULL::bigint AS place
            FROM matching_events AS m
            UNION ALL
            SELECT
                r.event_id,
                NULL AS start_time,
                r.ordinality AS place
            FROM unnest(v_ranked) WITH ORDINALITY AS r
        ) AS x
        GROUP BY x.event_id
        HAVING bool_or(x.start_time IS NOT NULL)
        ORDER BY min(x.place), min(x.start_time), x.event_id
        LIMIT p_page_size
        OFFSET (p_page - 1)::bigint * p_page_size
    )

    SELECT
        (SELECT count(*) FROM matching_events),
        coalesce(array_agg(p.event_id ORDER BY p.place, p.start_time, p.event_id), '{}'),
        coalesce(array_agg(p.place ORDER BY p.place) FILTER (WHERE p.place IS NOT NULL), '{}')
    INTO v_total, v_event_ids, v_places
    FROM page_events AS p;

    IF cardinality(v_places) > 0 THEN
        v_reasons := recommender._word_reasons(
            ARRAY(SELECT v_ranked[p.place] FROM unnest(v_places) AS p (place) ORDER BY p.place),
            v_account.city, v_language, recommender.templates_for(v_language)
        );
    END IF;

    RETURN QUERY SELECT
        200,
        json_build_object('Content-Language', v_language),
        json_build_object(
            'items', recommender._event_items(v_event_ids, v_reasons),
            'total', v_total,
            'page', p_page,
            'page_size', p_page_size,
            'sort', v_sort
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_events(
    integer, text[], text, text, text, text, text[], date, date, boolean, text, integer, integer
) IS
'The answer of GET /api/events for an account (NULL: nobody in particular): 200 with items, total, page, page_size and the sort really used, else 401 or 403. Events are published, known and not deleted, not started unless p_include_past, without the account''s hidden tags and blocked organizers. NULL filters are not given; search looks in title and description, category and city are equal after normalisation, location contains, tags (names) mean any, dates are UTC days and both included. p_sort NULL lets the experiment choose. One row; one snapshot.';
