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
    -- NULL dates drop out of both.
    v_from timestamptz := greatest(
        CASE WHEN p_include_past THEN '-infinity' ELSE recommender.as_of() END,
        p_start_date::timestamp AT TIME ZONE 'UTC'
    );
    v_until timestamptz := (p_end_date + 1)::timestamp AT TIME ZONE 'UTC';
    v_offset bigint := (p_page - 1)::bigint * p_page_size;
    v_language text;
    v_sort text;
    v_search text := recommender.normalize_text(p_search);
    v_category text := recommender.normalize_text(p_category);
    v_city text := recommender.normalize_text(p_city);
    v_location text := recommender.normalize_text(p_location);
    v_tag_ids integer[];
    v_hidden_tag_ids integer[] := '{}';
    v_blocked integer[] := '{}';
    v_is_plain boolean;
    v_ranked recommender.ranked_events[] := '{}';
    v_ranked_ids integer[];
    v_passed integer;
    v_event_ids integer[] := '{}';
    v_reasons text[];
    v_total bigint;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    IF v_account.is_active IS NOT TRUE AND p_user_id IS NOT NULL THEN
        RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, NULL) AS r;
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
    v_is_plain := num_nonnulls(v_tag_ids, v_category, v_city, v_location, v_search) = 0
        AND cardinality(v_blocked || v_hidden_tag_ids) = 0;
    SELECT count(*) INTO v_total FROM recommender._matching_events(
        v_from, v_until, v_is_plain, v_blocked, v_hidden_tag_ids, v_tag_ids,
        v_category, v_city, v_location, v_search
    ) AS m;

    IF v_sort = 'recommended' THEN
        v_ranked := ARRAY(
            SELECT r
            FROM recommender.ranked_events AS r
            CROSS JOIN LATERAL (
                SELECT FROM recommender._matching_events(
                    v_from, v_until, v_is_plain, v_blocked, v_hidden_tag_ids, v_tag_ids,
                    v_category, v_city, v_location, v_search
                ) AS m
                WHERE m.event_id = r.event_id
                OFFSET 0
            ) AS x
            WHERE r.user_id = p_user_id
            ORDER BY r.rank
            LIMIT v_offset + p_page_size
        );
    END IF;
    v_ranked_ids := ARRAY(SELECT r.event_id FROM unnest(v_ranked) AS r);
    -- Those of earlier pages; what follows the ranked ones follows by time.
    v_passed := least(v_offset, cardinality(v_ranked));
    v_ranked := v_ranked[v_passed + 1:];
    IF cardinality(v_ranked) > 0 THEN
        SELECT w.event_ids, w.reasons INTO v_event_ids, v_reasons
        FROM recommender._word_reasons(
            v_ranked,
            (SELECT l.language FROM recommender.fresh_lists AS l WHERE l.user_id = p_user_id),
            recommender._home_city(p_user_id, v_account.city),
            v_language,
            recommender.templates_for(v_language)
        ) AS w;
    END IF;
    IF cardinality(v_event_ids) < p_page_size THEN
        v_event_ids := v_event_ids || ARRAY(
            SELECT m.event_id
            FROM recommender._matching_events(
                v_from, v_until, v_is_plain, v_blocked, v_hidden_tag_ids, v_tag_ids,
                v_category, v_city, v_location, v_search
            ) AS m
            WHERE m.event_id NOT IN (SELECT unnest(v_ranked_ids))
            ORDER BY m.start_time, m.event_id
            LIMIT p_page_size - cardinality(v_event_ids)
            OFFSET v_offset - v_passed
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
