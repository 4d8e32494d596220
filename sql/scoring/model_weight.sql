-- A model's weight of one feature.

CREATE OR REPLACE FUNCTION recommender.model_weight(
    p_model public.recommender_models, p_feature text
)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(
        (p_model).weights[array_position((p_model).feature_names, p_feature)], 0
    );
END;

COMMENT ON FUNCTION recommender.model_weight(public.recommender_models, text) IS
'The weight a model gives a feature, in logit units; 0 for a feature it does not have.';
