-- Keeps fitted weights under a new version and makes them the active model.

CREATE OR REPLACE FUNCTION recommender.store_model(
    p_model_version text,
    p_feature_names text[],
    p_weights double precision[],
    p_meta jsonb,
    p_activate boolean DEFAULT true,
    p_reason text DEFAULT NULL
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    IF btrim(p_model_version) = '' OR p_model_version IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = 'the model has no version',
            HINT = 'give it a name that is not blank';
    ELSIF recommender.feature_set(p_feature_names) IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER012',
            MESSAGE = format('model "%s" was trained on other features', p_model_version),
            DETAIL = format(
                'It has %s; this version computes %s; with more features %s.',
                array_to_string(p_feature_names, ', '),
                array_to_string(recommender.feature_names(), ', '),
                array_to_string(recommender.feature_names('extended'), ', ')
            ),
            HINT = 'train it with the same version of sql/ and app/';
    ELSIF NOT recommender._weights_are_usable(p_feature_names, p_weights) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER013',
            MESSAGE = format('the weights of model "%s" are unusable', p_model_version),
            DETAIL = format('They are %s.', coalesce(p_weights::text, 'NULL')),
            HINT = 'there must be one finite number between -1e6 and 1e6 for each feature';
    END IF;
    IF p_activate THEN
        -- Before the version is taken, as all do that activate what they store: no deadlock.
        PERFORM pg_advisory_xact_lock(recommender._lock_key('model'));
    END IF;
    INSERT INTO public.recommender_models (model_version, feature_names, weights, meta)
    VALUES (p_model_version, p_feature_names, p_weights, p_meta)
    ON CONFLICT (model_version) DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER014',
            MESSAGE = format('model "%s" exists already', p_model_version),
            HINT = 'a model is never overwritten: give another RECOMMENDER_MODEL_VERSION';
    END IF;
    IF p_activate THEN
        PERFORM recommender.activate_model(p_model_version, p_reason, 'training');
    END IF;
    RETURN p_model_version;
END;
$$;

COMMENT ON FUNCTION recommender.store_model(
    text, text[], double precision[], jsonb, boolean, text
) IS
'Stores a fitted model and, unless told otherwise, activates it for p_reason, whatever it is worth (recommender.store_judged_model asks). Raises ER003 without a version, ER012 when the feature names are not a set of recommender.feature_names, in order, ER013 for weights that are missing, NaN, infinite or beyond ±1e6, ER014 when the version exists.';
