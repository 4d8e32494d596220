-- POST /api/admin/personalization/students/{id}/preview: where events would stand by other weights.

CREATE OR REPLACE FUNCTION recommender.preview_desk_weights(
    p_user_id integer, p_student_id integer, p_body jsonb
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_trouble text;
    v_model public.recommender_models;
    v_weights double precision[];
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, false) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT n.* FROM recommender._no_student(p_student_id) AS n;
    IF FOUND THEN
        RETURN;
    END IF;
    v_trouble := recommender._model_trouble();
    IF v_trouble IS NOT NULL THEN
        RETURN QUERY SELECT
            409, NULL::json, recommender._problem(409, 'Conflict', v_trouble);
        RETURN;
    END IF;
    v_model := recommender.current_model();
    RETURN QUERY
    SELECT
        422,
        NULL::json,
        recommender._body_problem(
            array_agg(f.field ORDER BY f.fault_no), array_agg(f.detail ORDER BY f.fault_no)
        )
    FROM recommender._preview_faults(p_body, v_model.feature_names)
        WITH ORDINALITY AS f (field, detail, fault_no)
    HAVING count(*) > 0;
    IF FOUND THEN
        RETURN;
    END IF;
    v_weights := ARRAY(
        SELECT coalesce(recommender._number_in(p_body -> 'weights', f.feature), f.weight)
        FROM unnest(v_model.feature_names, v_model.weights)
            WITH ORDINALITY AS f (feature, weight, feature_no)
        ORDER BY f.feature_no
    );
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object('model_version', v_model.model_version, 'items', coalesce(
            json_agg(
                json_build_object(
                    'event_id', p.event_id,
                    'title', p.title,
                    'old_rank', p.old_rank,
                    'new_rank', p.new_rank,
                    'old_score', p.old_score,
                    'new_score', p.new_score
                )
                ORDER BY p.new_rank
            ),
            '[]'
        ))
    FROM recommender.preview_weights(v_weights, p_student_id, 20) AS p;
END;
$$;

COMMENT ON FUNCTION recommender.preview_desk_weights(integer, integer, jsonb) IS
'The answer of POST /api/admin/personalization/students/{id}/preview for an account (NULL: no token) and {"weights": {feature: number}}, where weights that are not given are those of the model that scores: 200 with model_version and items, the rows of recommender.preview_weights for 20 places; nothing is stored. Else 401, 403, 404 for an id that is no student''s, 409 while no model can score, 422 for a wrong body. One row.';
