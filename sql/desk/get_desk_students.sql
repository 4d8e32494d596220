-- GET /api/admin/personalization/students: students by name, e-mail or id.

CREATE OR REPLACE FUNCTION recommender.get_desk_students(p_user_id integer, p_search text)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
SET plan_cache_mode = 'force_custom_plan'
SET jit = 'off'
AS $$
DECLARE
    v_limit CONSTANT integer := 50;
    v_search text := recommender.normalize_text(p_search);
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, false) AS r;
    IF FOUND THEN
        RETURN;
    ELSIF char_length(p_search) > 200 THEN
        RETURN QUERY SELECT
            422, NULL::json,
            recommender._parameter_problem('search', 'text of at most 200 characters', p_search);
        RETURN;
    END IF;
    RETURN QUERY
    WITH found_students AS (
        SELECT
            s.user_id AS id,
            u.full_name,
            c.email,
            c.city_name AS city,
            s.is_active
        FROM recommender.source_students AS s
        INNER JOIN recommender.source_users AS u ON u.user_id = s.user_id
        INNER JOIN recommender.source_contacts AS c ON c.user_id = s.user_id
        WHERE
            v_search IS NULL
            OR s.user_id::text = v_search
            OR strpos(recommender.normalize_text(u.full_name), v_search) > 0
            OR strpos(recommender.normalize_text(c.email), v_search) > 0
        ORDER BY s.user_id::text = v_search DESC NULLS LAST, s.user_id
        -- One more than is given says whether there are more.
        LIMIT v_limit + 1
    ),

    first_students AS (
        SELECT f.*
        FROM found_students AS f
        ORDER BY f.id::text = v_search DESC NULLS LAST, f.id
        LIMIT v_limit
    )

    SELECT
        200,
        NULL::json,
        json_build_object(
            'items', coalesce(
                json_agg(
                    json_build_object(
                        'id', f.id,
                        'full_name', f.full_name,
                        'email', f.email,
                        'city', f.city,
                        'is_active', f.is_active,
                        'model_version', l.model_version,
                        'generated_at', l.generated_at,
                        'item_count', l.item_count
                    )
                    ORDER BY f.id::text = v_search DESC NULLS LAST, f.id
                ),
                '[]'
            ),
            'has_more', (SELECT count(*) > v_limit FROM found_students)
        )
    FROM first_students AS f
    LEFT JOIN public.recommendation_lists AS l
        ON l.user_id = f.id AND l.generated_at IS NOT NULL;
END;
$$;

COMMENT ON FUNCTION recommender.get_desk_students(integer, text) IS
'The answer of GET /api/admin/personalization/students for an account (NULL: no token): 200 with items, the first 50 students by id whose name or e-mail contains p_search, normalised, or whose id it is (that one first; NULL or blank: all): id, full_name, email, city, is_active, and of their list model_version, generated_at and item_count (null: no list), and has_more, whether there are others; else 401, 403, or 422 for a search of more than 200 characters. One row.';
