-- The model that scores: the pinned one, else the active one, else the newest.

CREATE OR REPLACE FUNCTION recommender.current_model()
RETURNS public.recommender_models
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_pinned text := (SELECT p.model_version FROM recommender.parameters AS p);
    v_model public.recommender_models;
BEGIN
    SELECT m.* INTO v_model
    FROM public.recommender_models AS m
    WHERE v_pinned IS NULL OR m.model_version = v_pinned
    ORDER BY m.is_active DESC, m.id DESC
    LIMIT 1;
    IF NOT FOUND AND v_pinned IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER011',
            MESSAGE = format('there is no model "%s"', v_pinned),
            HINT = 'it is pinned by RECOMMENDER_MODEL_VERSION, this session or recommender_settings: '
                'take that away, or train a model of that name';
    ELSIF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER010',
            MESSAGE = 'there is no model yet',
            HINT = 'train one: python scripts/recompute_recommendations_ml.py';
    ELSIF recommender.feature_set(v_model.feature_names) IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER012',
            MESSAGE = format(
                'model "%s" was trained on other features', v_model.model_version
            ),
            DETAIL = format(
                'It has %s; this version computes %s; with more features %s.',
                coalesce(array_to_string(v_model.feature_names, ', '), 'none'),
                array_to_string(recommender.feature_names(), ', '),
                array_to_string(recommender.feature_names('extended'), ', ')
            ),
            HINT = 'train a new model, or activate one with the same features';
    ELSIF NOT recommender._weights_are_usable(v_model.feature_names, v_model.weights) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER013',
            MESSAGE = format('the weights of model "%s" are unusable', v_model.model_version),
            DETAIL = format('They are %s.', coalesce(v_model.weights::text, 'NULL')),
            HINT = 'train a new model, or activate another one';
    END IF;
    RETURN v_model;
END;
$$;

COMMENT ON FUNCTION recommender.current_model() IS
'The row of recommender_models that scores: the one RECOMMENDER_MODEL_VERSION names, else the active one, else the newest. Raises ER010 without any model, ER011 for an unknown pinned one, ER012 when its features are not a set of recommender.feature_names, in order, ER013 when its weights are not one finite number for each.';
