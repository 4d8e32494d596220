-- A model's features that are numbers of the event kept as its attributes.

CREATE OR REPLACE FUNCTION recommender._number_features(p_model public.recommender_models)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT f.feature
        FROM unnest((p_model).feature_names) AS f (feature)
        WHERE
            recommender.feature_kind(f.feature) = 'event'
            AND f.feature <> ALL (recommender.feature_names('base'))
    );
END;
$$;

COMMENT ON FUNCTION recommender._number_features(public.recommender_models) IS
'The model''s features of kind event that event_attributes has with an empty attribute: all but bias, popularity and days_until. Empty for a model of the base set.';
