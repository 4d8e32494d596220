-- Keeps a trained model, and activates it unless it is worse than the active one.

CREATE OR REPLACE FUNCTION recommender.store_judged_model(
    p_model_version text,
    p_feature_names text[],
    p_weights double precision[],
    p_meta jsonb,
    p_force boolean DEFAULT false
)
RETURNS TABLE (is_activated boolean, is_warning boolean, reason text)
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_compared text := p_meta ->> 'compared_with';
    v_active text;
BEGIN
    -- From here to the end of the transaction nobody else activates a model.
    PERFORM pg_advisory_xact_lock(recommender._lock_key('model'));
    SELECT m.model_version INTO v_active FROM public.recommender_models AS m WHERE m.is_active;
    IF v_active IS DISTINCT FROM v_compared THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER031',
            MESSAGE = format(
                'model "%s" was compared with %s, but %s is active now', p_model_version,
                coalesce('"' || v_compared || '"', 'none'), coalesce('"' || v_active || '"', 'none')
            ),
            HINT = 'compare it again: recommender.compare_with_active';
    END IF;
    SELECT j.is_activated, j.is_warning, j.reason INTO is_activated, is_warning, reason
    FROM recommender.judge_model(
        (p_meta ->> 'held_out_loss')::double precision,
        v_compared,
        (p_meta ->> 'compared_loss')::double precision,
        (p_meta ->> 'holdout_students')::bigint,
        p_force,
        p_meta -> 'against_popularity'
    ) AS j;
    IF NOT is_activated AND EXISTS (
        SELECT FROM public.recommender_settings AS s
        WHERE s.name = 'recommender_model_version' AND s.value = p_model_version
    ) THEN
        reason := reason || '; it scores nevertheless, because recommender_settings pins it';
    END IF;
    PERFORM recommender.store_model(
        p_model_version,
        p_feature_names,
        p_weights,
        p_meta || jsonb_build_object('verdict', reason),
        is_activated,
        reason
    );
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION recommender.store_judged_model(
    text, text[], double precision[], jsonb, boolean
) IS
'Stores a fitted model and activates it if recommender.judge_model lets it, or with p_force; returns the verdict, whose reason is kept as verdict in meta, and in model_activations if it is activated. p_meta holds what was compared: held_out_loss, compared_with (a version; null: no model was active), compared_loss, holdout_students and against_popularity (recommender.judge_model). Judged and activated under one lock: raises ER031 when another model than compared_with is active by then, and what recommender.store_model raises.';
