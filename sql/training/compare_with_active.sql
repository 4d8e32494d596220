-- The held-out loss of new weights, and of the active model on the same rows.

CREATE OR REPLACE FUNCTION recommender.compare_with_active(
    p_weights double precision[], p_feature_names text[] DEFAULT NULL
)
RETURNS TABLE (
    training_odds double precision,
    held_out_loss double precision,
    compared_with text,
    compared_loss double precision
)
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_feature_names text[] := coalesce(p_feature_names, recommender.feature_names());
    v_active public.recommender_models;
    v_active_odds double precision;
BEGIN
    SELECT m.* INTO v_active FROM public.recommender_models AS m WHERE m.is_active;
    IF jsonb_typeof(v_active.meta -> 'training_odds') = 'number' THEN
        v_active_odds := (v_active.meta ->> 'training_odds')::double precision;
    END IF;
    RETURN QUERY
    SELECT
        recommender._training_odds(),
        recommender.evaluate_loss(p_weights, NULL, v_feature_names),
        v_active.model_version,
        CASE
            WHEN
                v_active.feature_names <@ ARRAY(
                    SELECT a.attname::text
                    FROM pg_attribute AS a
                    WHERE a.attrelid = 'pg_temp.training_matrix'::regclass AND a.attnum > 0
                )
                AND recommender._weights_are_usable(v_active.feature_names, v_active.weights)
            THEN recommender.evaluate_loss(
                v_active.weights,
                CASE WHEN v_active_odds > 0 THEN v_active_odds END,
                v_active.feature_names
            )
        END;
END;
$$;

COMMENT ON FUNCTION recommender.compare_with_active(double precision[], text[]) IS
'recommender.evaluate_loss of weights (of p_feature_names; NULL: recommender.feature_names()) fitted to pg_temp.training_matrix and of the active model on the same held-out rows, at the odds its meta keeps as training_odds. compared_with is the active model, NULL without one; compared_loss is NULL, too, when that has features the matrix has not, or unusable weights. The active model may have been fitted to some of these rows, which with so few weights says next to nothing.';
