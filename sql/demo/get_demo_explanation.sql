-- GET /api/demo/events/{id}/explanation: what speaks for an event and what against it.

CREATE OR REPLACE FUNCTION recommender.get_demo_explanation(
    p_user_id integer, p_languages text[], p_event_id integer
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
    v_language text;
    v_title text;
    v_logit double precision;
    v_features json;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, 'student') AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT e.title INTO v_title
    FROM recommender.source_events AS e
    WHERE e.event_id = p_event_id AND e.is_published AND e.is_known;
    IF NOT FOUND THEN
        RETURN QUERY SELECT
            404, NULL::json,
            recommender._problem(404, 'Not Found', 'there is no event with this id');
        RETURN;
    END IF;
    v_language := recommender.choose_language(v_account.language, p_languages);
    SELECT
        sum(x.contribution ORDER BY x.feature),
        json_agg(
            json_build_object(
                'feature', x.feature,
                'label', recommender.feature_label(x.feature, v_language),
                'value', x.value,
                'weight', x.weight,
                'contribution', x.contribution
            )
            ORDER BY x.feature = 'bias', abs(x.contribution) DESC, x.feature COLLATE "C"
        )
    INTO v_logit, v_features
    FROM recommender.explain(p_user_id, p_event_id) AS x;
    RETURN QUERY SELECT
        200,
        json_build_object('Content-Language', v_language),
        json_build_object(
            'event_id', p_event_id,
            'title', v_title,
            'model_version', (recommender.current_model()).model_version,
            'score', recommender.sigmoid(v_logit),
            'logit', v_logit,
            'reason', recommender._event_reason(
                p_user_id, p_event_id, v_account.city, v_language
            ),
            'features', v_features
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_demo_explanation(integer, text[], integer) IS
'Demo only: 200 with event_id, title, model_version, score, logit, reason (NULL: not in the student''s fresh list) and features of recommender.explain, each with its label, what contributes most first and the bias last; 404 for an event that nobody may see or NULL, 401 or 403 for an account that may not. Raises ER010 to ER013. One row.';
