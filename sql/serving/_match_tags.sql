-- Eligible events by how many tags of a student's interests and history they have.

CREATE OR REPLACE FUNCTION recommender._match_tags(
    p_user_id integer, p_limit integer, p_excluded integer[], p_blocked integer[]
)
RETURNS TABLE (place integer, event_id integer, tags text[], city text, city_name text)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_tag_ids integer[];
    v_tags text[];
BEGIN
    SELECT
        array_agg(t.tag_id),
        array_agg(t.tag)
    INTO v_tag_ids, v_tags
    FROM recommender.source_tags AS t
    WHERE t.tag IN (
        SELECT it.tag
        FROM recommender.source_interest_tags AS it
        WHERE it.user_id = p_user_id
        UNION
        SELECT et.tag
        FROM recommender.history AS h
        INNER JOIN recommender.source_event_tags AS et ON et.event_id = h.event_id
        WHERE h.user_id = p_user_id
    );
    IF v_tag_ids IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH matching_events AS (
        SELECT
            l.event_id,
            array_agg(DISTINCT t.tag) AS tags
        FROM unnest(v_tag_ids, v_tags) AS t (tag_id, tag)
        INNER JOIN recommender.source_tag_links AS l ON l.tag_id = t.tag_id
        WHERE l.event_id NOT IN (SELECT unnest(p_excluded))
        GROUP BY l.event_id
    )

    SELECT
        row_number() OVER (
            ORDER BY cardinality(m.tags) DESC, e.start_time, e.event_id
        )::integer,
        m.event_id,
        m.tags,
        e.city,
        e.city_name
    FROM matching_events AS m
    INNER JOIN recommender.eligible_events AS e ON e.event_id = m.event_id
    WHERE coalesce(e.organizer_id <> ALL (p_blocked), true)
    ORDER BY 1
    LIMIT p_limit;
END;
$$;

COMMENT ON FUNCTION recommender._match_tags(integer, integer, integer[], integer[]) IS
'Up to limit eligible events that share a normalised tag with the student''s interests or history, most shared tags first, then start_time and id; without the excluded events and those of blocked organizers. tags are the shared ones, city and city_name the event''s.';
