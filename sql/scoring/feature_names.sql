-- The features a model of this version has, in order.

CREATE OR REPLACE FUNCTION recommender.feature_names()
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT ARRAY[
        'bias',
        'overlap_interest_ratio',
        'overlap_history_ratio',
        'same_city',
        'category_match',
        'organizer_match',
        'popularity',
        'days_until'
    ];
END;

COMMENT ON FUNCTION recommender.feature_names() IS
'The eight features in the order of recommender_models.weights and of the columns of user_event_features.';
