-- Whether the extended features are asked for: else nobody pays for them.

CREATE OR REPLACE FUNCTION recommender._has_extended_features()
RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
DECLARE
    v_pinned text := (SELECT p.model_version FROM recommender.parameters AS p);
BEGIN
    RETURN recommender.setting('recommender_feature_set') = 'extended' OR coalesce((
        SELECT recommender.feature_set(m.feature_names) = 'extended'
        FROM public.recommender_models AS m
        WHERE v_pinned IS NULL OR m.model_version = v_pinned
        ORDER BY m.is_active DESC, m.id DESC
        LIMIT 1
    ), false);
END;
$$;

COMMENT ON FUNCTION recommender._has_extended_features() IS
'Whether RECOMMENDER_FEATURE_SET is extended, or the model that scores has these features: only then user_attributes and event_attributes have them.';
