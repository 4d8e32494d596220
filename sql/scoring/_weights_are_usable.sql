-- Whether weights can be scored with: one finite number for each feature.

CREATE OR REPLACE FUNCTION recommender._weights_are_usable(
    p_feature_names text[], p_weights double precision[]
)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    -- NaN sorts above every number, so it fails the comparison as well.
    RETURN coalesce(
        array_ndims(p_weights) = 1
        AND array_lower(p_weights, 1) = 1
        AND cardinality(p_weights) = cardinality(p_feature_names)
        AND 1e6 >= ALL (p_weights)
        AND -1e6 <= ALL (p_weights),
        false
    );
END;
$$;

COMMENT ON FUNCTION recommender._weights_are_usable(text[], double precision[]) IS
'Whether there is one number between -1e6 and 1e6 for each feature, none NULL, NaN or infinite, in a plain array that starts at 1.';
