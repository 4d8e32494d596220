-- What a student does not want to see, as JSON.

CREATE OR REPLACE FUNCTION recommender._exclusions(p_user_id integer)
RETURNS TABLE (hidden_tags json, blocked_organizers json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
BEGIN
    RETURN QUERY
    SELECT
        (
            SELECT coalesce(
                json_agg(
                    json_build_object('id', t.tag_id, 'name', t.name)
                    ORDER BY t.name COLLATE "C", t.tag_id
                ),
                '[]'
            )
            FROM recommender.source_hidden_tags AS h
            INNER JOIN recommender.source_tags AS t ON t.tag_id = h.tag_id
            WHERE h.user_id = p_user_id
        ),
        (
            SELECT coalesce(
                json_agg(
                    json_build_object(
                        'id', o.user_id, 'org_name', o.org_name, 'full_name', o.full_name
                    )
                    ORDER BY o.user_id
                ),
                '[]'
            )
            FROM recommender.source_blocked_organizers AS b
            INNER JOIN recommender.source_users AS o ON o.user_id = b.organizer_id
            WHERE b.user_id = p_user_id
        );
END;
$$;

COMMENT ON FUNCTION recommender._exclusions(integer) IS
'Two arrays: hidden_tags (id, name) by name, and blocked_organizers (id, org_name, full_name) by id. One row.';
