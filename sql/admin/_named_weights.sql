-- A model's weights under the names of their features.

CREATE OR REPLACE FUNCTION recommender._named_weights(
    p_feature_names text[], p_weights double precision[]
)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT jsonb_object_agg(w.feature, w.weight)
    FROM unnest(p_feature_names, p_weights) AS w (feature, weight);
END;

COMMENT ON FUNCTION recommender._named_weights(text[], double precision[]) IS
'The weights as a JSON object {feature: weight}; NULL where there are none.';
