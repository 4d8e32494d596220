-- GET /api/admin/personalization/students/{id}: a student as the recommender knows one.

CREATE OR REPLACE FUNCTION recommender.get_desk_student(p_user_id integer, p_student_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_trouble text;
    v_model public.recommender_models;
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
    IF v_trouble IS NULL THEN
        v_model := recommender.current_model();
    END IF;
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object(
            'id', s.user_id,
            'full_name', u.full_name,
            'email', c.email,
            'city', c.city_name,
            'language', s.language,
            'is_active', s.is_active,
            'created_at', c.created_at,
            'bucket', recommender.experiment_bucket('personalization_ml_sort', s.user_id),
            'variant', recommender._choose_sort(s.user_id, 'student', NULL),
            'list', CASE WHEN l.generated_at IS NOT NULL THEN json_build_object(
                'model_version', l.model_version,
                'generated_at', l.generated_at,
                'item_count', l.item_count,
                'is_fresh', EXISTS (
                    SELECT FROM recommender.fresh_lists AS f WHERE f.user_id = s.user_id
                )
            ) END,
            'profile', recommender._student_profile(s.user_id),
            'items', recommender._student_items(s.user_id),
            'model_version', v_model.model_version,
            'trouble', v_trouble,
            'weights', coalesce(recommender._model_features(v_model, NULL), '[]'),
            'interactions', recommender._student_interactions(s.user_id),
            'hidden_tags', x.hidden_tags,
            'blocked_organizers', x.blocked_organizers
        )
    FROM recommender.source_students AS s
    INNER JOIN recommender.source_users AS u ON u.user_id = s.user_id
    INNER JOIN recommender.source_contacts AS c ON c.user_id = s.user_id
    LEFT JOIN public.recommendation_lists AS l ON l.user_id = s.user_id
    CROSS JOIN LATERAL recommender._exclusions(s.user_id) AS x
    WHERE s.user_id = p_student_id;
END;
$$;

COMMENT ON FUNCTION recommender.get_desk_student(integer, integer) IS
'The answer of GET /api/admin/personalization/students/{id} for an account (NULL: no token): 200 with the account, its bucket (0 to 99) of the experiment personalization_ml_sort and variant (the sort it gets where it asks for none), list (null: none), profile (recommender.student), items (the 20 it is shown now), model_version (the model that scores; null: none, and trouble says why) with its weights, the last 20 interactions (no impressions), hidden_tags and blocked_organizers; inactive students, too. Else 401, 403, 404 for an id that is no student''s. Raises ER002 while a setting of the lists is not valid. One row.';
