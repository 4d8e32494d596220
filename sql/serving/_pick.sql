-- What a student is shown now: the list, then the heuristic, then what is popular, never a gap.
--
-- The list says what is good; whether it may be shown is decided here, on live tables and in the
-- caller's snapshot. Each step runs only while places are left.

CREATE OR REPLACE FUNCTION recommender._pick(
    p_user_id integer,
    p_top_n integer,
    p_home_city text,
    p_language text,
    OUT event_ids integer[],
    OUT reasons text[],
    OUT listed_count integer,
    OUT tagged_count integer
)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_templates recommender.reason_templates := recommender.templates_for(p_language);
    v_blocked integer[] := ARRAY(
        SELECT b.organizer_id FROM recommender.source_blocked_organizers AS b
        WHERE b.user_id = p_user_id
    );
    v_hidden_tag_ids integer[] := recommender._hidden_tag_ids(p_user_id);
    v_excluded integer[] := ARRAY(
        SELECT r.event_id FROM recommender.source_registrations AS r WHERE r.user_id = p_user_id
        UNION ALL
        SELECT l.event_id FROM recommender.source_tag_links AS l
        WHERE l.tag_id = ANY (v_hidden_tag_ids)
    );
    v_list_language text;
    v_ranked recommender.ranked_events[];
BEGIN
    event_ids := '{}';
    reasons := '{}';
    SELECT l.language INTO v_list_language
    FROM recommender.fresh_lists AS l WHERE l.user_id = p_user_id;
    IF FOUND THEN
        v_ranked := ARRAY(
            SELECT r
            FROM recommender.ranked_events AS r
            WHERE
                r.user_id = p_user_id
                AND r.event_id NOT IN (SELECT unnest(v_excluded))
                AND coalesce(r.organizer_id <> ALL (v_blocked), true)
            ORDER BY r.rank
            LIMIT p_top_n
        );
        SELECT w.event_ids, w.reasons INTO event_ids, reasons
        FROM recommender._word_reasons(
            v_ranked, v_list_language, p_home_city, p_language, v_templates
        ) AS w;
    END IF;
    listed_count := cardinality(event_ids);

    IF listed_count < p_top_n THEN
        SELECT
            event_ids || array_agg(x.event_id ORDER BY x.place),
            reasons || array_agg(
                recommender._reason_near(
                    v_templates,
                    replace(v_templates.tags, '%s', array_to_string(x.tags[1:3], ', ')),
                    x.city = p_home_city,
                    x.city_name
                )
                ORDER BY x.place
            )
        INTO event_ids, reasons
        FROM recommender._match_tags(
            p_user_id, p_top_n - listed_count, v_excluded || event_ids, v_blocked
        ) AS x;
    END IF;
    tagged_count := cardinality(event_ids) - listed_count;

    IF listed_count + tagged_count < p_top_n THEN
        SELECT
            event_ids || array_agg(x.event_id ORDER BY x.place),
            reasons || array_agg(
                recommender._reason_near(
                    v_templates, v_templates.popular, x.city = p_home_city, x.city_name
                )
                ORDER BY x.place
            )
        INTO event_ids, reasons
        FROM recommender._popular_events(
            p_top_n - listed_count - tagged_count, v_excluded || event_ids, v_blocked
        ) AS x;
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._pick(integer, integer, text, text) IS
'The events of recommender.pick_events as two arrays in the order shown, event_ids and reasons: the first listed_count are of the list, the next tagged_count by tags, the rest by popularity. p_home_city is normalised.';
