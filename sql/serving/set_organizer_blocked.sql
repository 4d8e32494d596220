-- POST and DELETE …/blocked-organizers/{id}: an organizer a student does not want to see.

CREATE OR REPLACE FUNCTION recommender.set_organizer_blocked(
    p_user_id integer, p_organizer_id integer, p_is_blocked boolean
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
    v_body json;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, 'student') AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT json_build_object('id', o.user_id, 'org_name', o.org_name, 'full_name', o.full_name)
    INTO v_body
    FROM recommender.source_users AS o
    WHERE o.user_id = p_organizer_id AND o.role IN ('organizer', 'organizator', 'admin');
    IF p_is_blocked AND v_body IS NOT NULL THEN
        INSERT INTO recommender.source_blocked_organizers (user_id, organizer_id)
        SELECT p_user_id, p_organizer_id
        WHERE NOT EXISTS (
            SELECT FROM recommender.source_blocked_organizers AS x
            WHERE x.user_id = p_user_id AND x.organizer_id = p_organizer_id
        )
        ON CONFLICT DO NOTHING;
        RETURN QUERY SELECT 201, NULL::json, v_body;
        RETURN;
    ELSIF NOT p_is_blocked THEN
        -- What was blocked once can be taken back, whatever it has become.
        DELETE FROM recommender.source_blocked_organizers AS x
        WHERE x.user_id = p_user_id AND x.organizer_id = p_organizer_id;
        IF FOUND OR v_body IS NOT NULL THEN
            RETURN QUERY SELECT 204, NULL::json, NULL::json;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY SELECT
        404, NULL::json,
        recommender._problem(404, 'Not Found', 'there is no organizer with this id');
END;
$$;

COMMENT ON FUNCTION recommender.set_organizer_blocked(integer, integer, boolean) IS
'Blocks an organizer for an account and answers 201 with id, org_name and full_name, or shows the organizer''s events again and answers 204, however often it is repeated; 401 or 403 for an account that may not, 404 for an id that is no organizer''s or admin''s, or NULL. One row.';
