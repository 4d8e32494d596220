-- The model that scores, and what is known of it.

CREATE OR REPLACE FUNCTION recommender._status_model()
RETURNS TABLE (item text, value text, warning text)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_model recommender.models;
    v_meta jsonb;
    v_newest text := (
        SELECT m.model_version FROM public.recommender_models AS m ORDER BY m.id DESC LIMIT 1
    );
    v_pinned text := (
        SELECT nullif(s.value, '') FROM recommender.settings AS s
        WHERE s.name = 'recommender_model_version'
    );
    v_trouble text;
BEGIN
    SELECT m.* INTO v_model FROM recommender.models AS m WHERE m.is_active;
    IF v_newest IS NULL THEN
        v_trouble := 'no model is active: train one with python scripts/recompute_recommendations_ml.py';
    ELSIF v_model.model_version IS NULL THEN
        v_trouble := format(
            'no model is active: SELECT recommender.activate_model(%L)', v_newest
        );
    ELSE
        v_trouble := recommender._model_trouble();
    END IF;
    RETURN QUERY VALUES (
        'active model',
        coalesce(
            v_model.model_version || coalesce(
                ', for ' || recommender._age_text(recommender.as_of() - v_model.activated_at)
                || ' (' || v_model.activation_kind || ', by ' || v_model.activated_by || ')',
                ''
            ),
            'none'
        ),
        v_trouble
    );
    IF v_pinned IS NOT NULL THEN
        RETURN QUERY VALUES (
            'pinned model', v_pinned,
            'RECOMMENDER_MODEL_VERSION scores, whichever model is active: take it away when done'
        );
    END IF;
    IF v_model.model_version IS NOT NULL THEN
        SELECT m.meta INTO v_meta
        FROM public.recommender_models AS m WHERE m.model_version = v_model.model_version;
        RETURN QUERY VALUES
        (
            'trained on',
            coalesce(
                recommender._count_text(v_model.example_count, 'example', 'examples')
                || coalesce(' as of ' || left(v_meta ->> 'as_of', 10), ''),
                'nothing is noted'
            ),
            NULL
        ),
        (
            'held out',
            coalesce(
                nullif(concat_ws(
                    ', ',
                    'hitrate@10 ' || round(v_model.hitrate_at_10::numeric, 3),
                    'chance ' || round(v_model.chance_at_10::numeric, 3),
                    'loss ' || round(v_model.held_out_loss::numeric, 4)
                ), ''),
                'nothing is noted'
            ),
            CASE WHEN v_model.hitrate_at_10 <= v_model.chance_at_10
                THEN 'the model is no better than chance: look at its weights in recommender.models'
            END
        );
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._status_model() IS
'The rows of recommender.status on the model.';
