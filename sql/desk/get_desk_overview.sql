-- GET /api/admin/personalization/overview: the status, the lists, and what they cover.

CREATE OR REPLACE FUNCTION recommender.get_desk_overview(p_user_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
SET jit = 'off'
AS $$
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, false) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object(
            'moment', recommender.as_of(),
            'items', (
                SELECT json_agg(
                    json_build_object(
                        'area', s.area, 'item', s.item, 'value', s.value, 'warning', s.warning
                    )
                    ORDER BY s.item_no
                )
                FROM (
                    SELECT
                        i.area,
                        i.item,
                        i.value,
                        i.warning,
                        row_number() OVER () AS item_no
                    FROM recommender.status AS i
                ) AS s
            ),
            'lists', recommender._desk_lists(),
            'coverage', recommender._desk_coverage()
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_desk_overview(integer) IS
'The answer of GET /api/admin/personalization/overview for an account (NULL: no token): 200 with moment (recommender.as_of()), items (the rows of recommender.status in their order), lists (recommender._desk_lists) and coverage (recommender._desk_coverage); else 401 or 403. One row.';
