-- The weights of a model, feature by feature, beside those of the model before.

CREATE OR REPLACE FUNCTION recommender._model_features(
    p_model public.recommender_models, p_previous_weights jsonb
)
RETURNS json
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT json_agg(
        json_build_object(
            'feature', f.feature,
            'label', recommender._feature_label(f.feature),
            'weight', f.weight,
            'standard_error',
            recommender._number_in((p_model).meta -> 'standard_errors', f.feature),
            'previous_weight', recommender._number_in(p_previous_weights, f.feature)
        )
        ORDER BY f.feature_no
    )
    FROM unnest((p_model).feature_names, (p_model).weights)
        WITH ORDINALITY AS f (feature, weight, feature_no);
END;

COMMENT ON FUNCTION recommender._model_features(public.recommender_models, jsonb) IS
'An array in the order of the model''s features: feature, label, weight in logit units, standard_error (null: not noted) and previous_weight, what {feature: weight} has of it (null: nothing).';
