-- What a student is shown now: the list, then the heuristic, then what is popular, never a gap.
--
-- The list says what is good; whether it may be shown is decided here, on live tables and in the
-- caller's snapshot. Each step runs only while places are left.

CREATE OR REPLACE FUNCTION recommender.pick_events(
    p_user_id integer, p_limit integer DEFAULT 10, p_language text DEFAULT NULL
)
RETURNS TABLE (place integer, event_id integer, source text, reason text)
LANGUAGE plpgsql
STABLE
ROWS 10
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_city text;
    v_language text;
    v_templates recommender.reason_templates;
    v_blocked integer[];
    v_hidden_tag_ids integer[] := recommender._hidden_tag_ids(p_user_id);
    v_excluded integer[];
    v_ranked recommender.ranked_events[];
    v_event_ids integer[] := '{}';
    v_reasons text[] := '{}';
    v_listed_count integer := 0;
    v_tagged_count integer := 0;
BEGIN
    PERFORM recommender._validate_top_n(p_limit);
    SELECT s.city, coalesce(p_language, recommender.choose_language(s.language))
    INTO v_city, v_language
    FROM recommender.source_students AS s WHERE s.user_id = p_user_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER020',
            MESSAGE = format('there is no student %s', coalesce(p_user_id::text, 'NULL')),
            HINT = 'lists are for users whose role is student';
    END IF;
    v_templates := recommender.templates_for(v_language);
    v_blocked := ARRAY(
        SELECT b.organizer_id FROM recommender.source_blocked_organizers AS b
        WHERE b.user_id = p_user_id
    );
    v_excluded := ARRAY(
        SELECT r.event_id FROM recommender.source_registrations AS r WHERE r.user_id = p_user_id
        UNION ALL
        SELECT l.event_id FROM recommender.source_tag_links AS l
        WHERE l.tag_id = ANY (v_hidden_tag_ids)
    );

    IF EXISTS (SELECT FROM recommender.fresh_lists AS f WHERE f.user_id = p_user_id) THEN
        v_ranked := ARRAY(
            SELECT r
            FROM recommender.ranked_events AS r
            WHERE
                r.user_id = p_user_id
                AND r.event_id NOT IN (SELECT unnest(v_excluded))
                AND coalesce(r.organizer_id <> ALL (v_blocked), true)
            ORDER BY r.rank
            LIMIT p_limit
        );
        v_event_ids := ARRAY(
            SELECT r.event_id FROM unnest(v_ranked) AS r ORDER BY r.rank
        );
        v_reasons := recommender._word_reasons(v_ranked, v_city, v_language, v_templates);
    END IF;
    v_listed_count := cardinality(v_event_ids);

    IF v_listed_count < p_limit THEN
        SELECT
            v_event_ids || array_agg(x.event_id ORDER BY x.place),
            v_reasons || array_agg(
                recommender._reason_near(
                    v_templates,
                    replace(v_templates.tags, '%s', array_to_string(x.tags[1:3], ', ')),
                    x.city = v_city,
                    x.city_name
                )
                ORDER BY x.place
            )
        INTO v_event_ids, v_reasons
        FROM recommender._match_tags(
            p_user_id, p_limit - v_listed_count, v_excluded || v_event_ids, v_blocked
        ) AS x;
        v_tagged_count := cardinality(v_event_ids) - v_listed_count;
    END IF;

    IF v_listed_count + v_tagged_count < p_limit THEN
        SELECT
            v_event_ids || array_agg(x.event_id ORDER BY x.place),
            v_reasons || array_agg(
                recommender._reason_near(
                    v_templates, v_templates.popular, x.city = v_city, x.city_name
                )
                ORDER BY x.place
            )
        INTO v_event_ids, v_reasons
        FROM recommender._popular_events(
            p_limit - v_listed_count - v_tagged_count, v_excluded || v_event_ids, v_blocked
        ) AS x;
    END IF;

    RETURN QUERY
    SELECT
        p.place::integer,
        p.event_id,
        CASE
            WHEN p.place <= v_listed_count THEN 'list'
            WHEN p.place <= v_listed_count + v_tagged_count THEN 'tags'
            ELSE 'popular'
        END,
        p.reason
    FROM unnest(v_event_ids, v_reasons) WITH ORDINALITY AS p (event_id, reason, place)
    ORDER BY p.place;
END;
$$;

COMMENT ON FUNCTION recommender.pick_events(integer, integer, text) IS
'The events a student is shown at recommender.as_of(), limit of them while that many are eligible, none twice: first those of the fresh list by rank (source list), then those with most tags of the student''s interests and history (source tags), then by seats taken (source popular); never one that has started, is full, unpublished or deleted, that the student is registered for, has a hidden tag or a blocked organizer. reason is in p_language (NULL: the student''s). Writes nothing. Raises ER003 for a limit out of bounds, ER020 for somebody who is not a student.';
