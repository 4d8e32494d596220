-- GET /api/demo/facets: what the events to come can be filtered by.

CREATE OR REPLACE FUNCTION recommender.get_demo_facets(p_user_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_account recommender.source_users;
    v_hidden_tag_ids integer[];
    v_blocked integer[];
    v_facets json;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, NULL) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    v_hidden_tag_ids := recommender._hidden_tag_ids(p_user_id);
    v_blocked := ARRAY(
        SELECT b.organizer_id FROM recommender.source_blocked_organizers AS b
        WHERE b.user_id = p_user_id
    );
    WITH shown_events AS MATERIALIZED (
        SELECT
            e.event_id,
            e.category,
            e.category_name,
            e.city,
            e.city_name
        FROM recommender.source_events AS e
        WHERE
            e.is_published
            AND e.is_known
            AND e.start_time >= (SELECT recommender.as_of())
            AND coalesce(e.organizer_id <> ALL (v_blocked), true)
            AND e.event_id NOT IN (
                SELECT l.event_id FROM recommender.source_tag_links AS l
                WHERE l.tag_id = ANY (v_hidden_tag_ids)
            )
    ),

    category_facets AS (
        SELECT
            btrim(mode() WITHIN GROUP (ORDER BY e.category_name)) AS name,
            count(*) AS count
        FROM shown_events AS e
        WHERE e.category IS NOT NULL
        GROUP BY e.category
    ),

    city_facets AS (
        SELECT
            btrim(mode() WITHIN GROUP (ORDER BY e.city_name)) AS name,
            count(*) AS count
        FROM shown_events AS e
        WHERE e.city IS NOT NULL
        GROUP BY e.city
    ),

    tag_facets AS (
        SELECT
            min(t.tag_id) AS id,
            (array_agg(t.name ORDER BY t.tag_id))[1] AS name,
            count(DISTINCT l.event_id) AS count
        FROM shown_events AS e
        INNER JOIN recommender.source_tag_links AS l ON l.event_id = e.event_id
        INNER JOIN recommender.source_tags AS t ON t.tag_id = l.tag_id
        GROUP BY t.tag
        ORDER BY 3 DESC, 1
        LIMIT 40
    )

    SELECT json_build_object(
        'categories', (
            SELECT coalesce(json_agg(c ORDER BY c.count DESC, c.name COLLATE "C"), '[]')
            FROM category_facets AS c
        ),
        'cities', (
            SELECT coalesce(json_agg(c ORDER BY c.count DESC, c.name COLLATE "C"), '[]')
            FROM city_facets AS c
        ),
        'tags', (
            SELECT coalesce(json_agg(t ORDER BY t.count DESC, t.name COLLATE "C", t.id), '[]')
            FROM tag_facets AS t
        )
    ) INTO v_facets;
    RETURN QUERY SELECT 200, NULL::json, v_facets;
END;
$$;

COMMENT ON FUNCTION recommender.get_demo_facets(integer) IS
'Demo only: 200 with categories and cities (name, the spelling most events have, and count) and the 40 tags most events have (id, name, count), of the events that recommender.get_events has for the account (NULL: nobody in particular) without filters; the most frequent first. 401 or 403 for an account that is gone or inactive. One row.';
