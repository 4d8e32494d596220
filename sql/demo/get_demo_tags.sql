-- GET /api/demo/tags: what a student may choose as an interest.

CREATE OR REPLACE FUNCTION recommender.get_demo_tags(p_search text)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_search text := recommender.normalize_text(p_search);
BEGIN
    RETURN QUERY
    WITH upcoming_counts AS (
        SELECT
            l.tag_id,
            count(*) AS count
        FROM recommender.source_events AS e
        INNER JOIN recommender.source_tag_links AS l ON l.event_id = e.event_id
        WHERE e.is_published AND e.is_known AND e.start_time >= (SELECT recommender.as_of())
        GROUP BY l.tag_id
    ),

    found_tags AS (
        SELECT
            t.tag_id AS id,
            t.name,
            coalesce(c.count, 0) AS count,
            strpos(t.tag, v_search) = 1 AS is_start
        FROM recommender.source_tags AS t
        LEFT JOIN upcoming_counts AS c ON c.tag_id = t.tag_id
        WHERE v_search IS NULL OR strpos(t.tag, v_search) > 0
        ORDER BY 4 DESC, 3 DESC, t.name COLLATE "C", t.tag_id
        LIMIT 20
    )

    SELECT
        200,
        NULL::json,
        json_build_object('items', coalesce(
            json_agg(
                json_build_object('id', f.id, 'name', f.name, 'count', f.count)
                ORDER BY f.is_start DESC, f.count DESC, f.name COLLATE "C", f.id
            ),
            '[]'
        ))
    FROM found_tags AS f;
END;
$$;

COMMENT ON FUNCTION recommender.get_demo_tags(text) IS
'Demo only: 200 with items, up to 20 tags (id, name, and count: the published events to come that have it) whose name contains the search (NULL: any), those that begin with it first, then the most frequent. One row.';
