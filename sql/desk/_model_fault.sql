-- Why a stored model cannot score.

CREATE OR REPLACE FUNCTION recommender._model_fault(p_model public.recommender_models)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN recommender.feature_set((p_model).feature_names) IS NULL
            THEN format('model "%s" was trained on other features', (p_model).model_version)
        WHEN NOT recommender._weights_are_usable((p_model).feature_names, (p_model).weights)
            THEN format('the weights of model "%s" are unusable', (p_model).model_version)
    END;
END;

COMMENT ON FUNCTION recommender._model_fault(public.recommender_models) IS
'What recommender.activate_model raises for this model (ER012 or ER013), as a sentence; NULL: it can score.';
