-- GET /api/demo/students: whom a visitor of the demo may be.

CREATE OR REPLACE FUNCTION recommender.get_demo_students(p_search text)
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
    WITH found_students AS (
        SELECT
            u.id,
            u.full_name,
            u.city,
            coalesce(l.item_count > 0, false) AS has_list,
            -- As the site's own words are.
            u.language_preference::text IS DISTINCT FROM 'ro' AS is_english
        FROM public.users AS u
        LEFT JOIN recommender.fresh_lists AS l ON l.user_id = u.id
        WHERE
            u.role::text = 'student'
            AND u.is_active
            AND (
                v_search IS NULL
                OR u.id::text = v_search
                OR strpos(recommender.normalize_text(u.full_name), v_search) > 0
                OR strpos(recommender.normalize_text(u.city), v_search) > 0
            )
        ORDER BY 4 DESC, u.id
        -- Enough to choose from: what their lists say is looked up one by one.
        LIMIT 240
    ),

    shown_students AS (
        SELECT
            f.id,
            f.full_name,
            f.city,
            f.has_list,
            f.is_english,
            EXISTS (
                SELECT FROM public.user_recommendations AS r
                WHERE
                    r.user_id = f.id
                    AND r.rank <= 3
                    AND r.reason NOT IN (SELECT t.generic FROM recommender.reason_templates AS t)
                OFFSET 0  -- noqa: AM09
            ) AS has_reasons
        FROM found_students AS f
        ORDER BY f.has_list DESC, f.is_english DESC, 6 DESC, f.id
        LIMIT 24
    )

    SELECT
        200,
        NULL::json,
        json_build_object('items', coalesce(
            json_agg(
                json_build_object(
                    'id', s.id,
                    'full_name', s.full_name,
                    'city', s.city,
                    'interests', ARRAY(
                        SELECT t.name
                        FROM recommender.source_interest_tags AS i
                        INNER JOIN recommender.source_tags AS t ON t.tag_id = i.tag_id
                        WHERE i.user_id = s.id
                        ORDER BY t.name COLLATE "C"
                        LIMIT 5
                    ),
                    'registrations', (
                        SELECT count(*) FROM recommender.source_registrations AS r
                        WHERE r.user_id = s.id
                    ),
                    'has_list', s.has_list
                )
                ORDER BY s.has_list DESC, s.is_english DESC, s.has_reasons DESC, s.id
            ),
            '[]'
        ))
    FROM shown_students AS s;
END;
$$;

COMMENT ON FUNCTION recommender.get_demo_students(text) IS
'Demo only: 200 with items, up to 24 active students (id, full_name, city, up to five interests, registrations, has_list: a fresh list that is not empty) whose name or city contains the search or whose id it is (NULL: all), those with a list first, and of the first 240 of these those who do not read Romanian, which the site is not in, and those to whom it gives reasons of their own. One row.';
