-- GET /api/admin/personalization/students/{id}/events/{event_id}: why it stands where it does.

CREATE OR REPLACE FUNCTION recommender.get_desk_explanation(
    p_user_id integer, p_student_id integer, p_event_id integer
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_title text;
    v_is_live boolean;
    v_trouble text;
    v_model_version text;
    v_logit double precision;
    v_features json;
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, false) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT n.* FROM recommender._no_student(p_student_id) AS n;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT e.title, true INTO v_title, v_is_live
    FROM recommender.source_events AS e WHERE e.event_id = p_event_id;
    IF v_is_live IS NULL AND NOT EXISTS (
        SELECT FROM recommender.source_deleted_events AS d WHERE d.event_id = p_event_id
    ) THEN
        RETURN QUERY SELECT
            404, NULL::json,
            recommender._problem(404, 'Not Found', 'there is no event with this id');
        RETURN;
    END IF;
    v_trouble := coalesce(
        recommender._model_trouble(),
        CASE WHEN v_is_live IS NULL THEN 'what is deleted has no score' END
    );
    IF v_trouble IS NULL THEN
        SELECT m.model_version INTO v_model_version FROM recommender.current_model() AS m;
        SELECT
            sum(x.contribution ORDER BY x.row_no),
            json_agg(
                json_build_object(
                    'feature', x.feature,
                    'label', recommender._feature_label(x.feature),
                    'value', x.value,
                    'weight', x.weight,
                    'contribution', x.contribution
                )
                ORDER BY x.row_no
            )
        INTO v_logit, v_features
        FROM recommender.explain(p_student_id, p_event_id)
            WITH ORDINALITY AS x (feature, value, weight, contribution, row_no);
    END IF;
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object(
            'event_id', p_event_id,
            'title', v_title,
            'model_version', v_model_version,
            'trouble', v_trouble,
            'score', CASE WHEN v_logit IS NOT NULL THEN recommender.sigmoid(v_logit) END,
            'logit', v_logit,
            'features', coalesce(v_features, '[]'),
            'checks', (
                SELECT json_agg(
                    json_build_object(
                        'check_name', c.check_name, 'passed', c.passed, 'detail', c.detail
                    )
                    ORDER BY c.row_no
                )
                FROM recommender.why_not(p_student_id, p_event_id)
                    WITH ORDINALITY AS c (check_name, passed, detail, row_no)
            )
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_desk_explanation(integer, integer, integer) IS
'The answer of GET /api/admin/personalization/students/{id}/events/{event_id} for an account (NULL: no token): 200 with features (the rows of recommender.explain, whose contributions add up to logit; score = sigmoid(logit)) and checks (the rows of recommender.why_not for ten places); without a model, and for a deleted event, score and logit are null, features is empty and trouble says why. Else 401, 403, 404 for an unknown student or event. One row.';
