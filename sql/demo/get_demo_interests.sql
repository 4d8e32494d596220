-- GET /api/demo/interests: what a student chose, what was learned, and what they do not want.

CREATE OR REPLACE FUNCTION recommender.get_demo_interests(p_user_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_personalization record;
    v_chosen json;
    v_learned json;
BEGIN
    SELECT p.* INTO v_personalization FROM recommender.get_personalization(p_user_id) AS p;
    IF v_personalization.status <> 200 THEN
        RETURN QUERY SELECT
            v_personalization.status, v_personalization.headers, v_personalization.body;
        RETURN;
    END IF;
    v_chosen := (
        SELECT coalesce(
            json_agg(
                json_build_object('id', t.tag_id, 'name', t.name)
                ORDER BY t.name COLLATE "C", t.tag_id
            ),
            '[]'
        )
        FROM recommender.source_interest_tags AS i
        INNER JOIN recommender.source_tags AS t ON t.tag_id = i.tag_id
        WHERE i.user_id = p_user_id
    );
    SELECT coalesce(
        json_agg(l ORDER BY l.weight DESC, l.kind COLLATE "C", l.name COLLATE "C"), '[]'
    ) INTO v_learned
    FROM recommender._learned_interests(p_user_id) AS l;
    RETURN QUERY SELECT
        200,
        NULL::json,
        json_build_object(
            'chosen', v_chosen,
            'learned', v_learned,
            'hidden_tags', v_personalization.body -> 'hidden_tags',
            'blocked_organizers', v_personalization.body -> 'blocked_organizers'
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_demo_interests(integer) IS
'Demo only: 200 with chosen (id, name), learned (kind, name, weight and last_seen_at of recommender._learned_interests, what weighs most first), and hidden_tags and blocked_organizers of recommender.get_personalization, else 401 or 403. One row.';
