-- Which set a model's features are.

CREATE OR REPLACE FUNCTION recommender.feature_set(p_feature_names text[])
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE p_feature_names
        WHEN recommender.feature_names('base') THEN 'base'
        WHEN recommender.feature_names('extended') THEN 'extended'
    END;
END;

COMMENT ON FUNCTION recommender.feature_set(text[]) IS
'base or extended, whose recommender.feature_names these are, in order; NULL: no set''s, so that nothing can be scored with them.';
