-- Makes one model the active one; waits for the writers of lists, and they wait for it.

CREATE OR REPLACE FUNCTION recommender.activate_model(
    p_model_version text,
    p_reason text DEFAULT NULL,
    p_kind text DEFAULT 'manual',
    p_activated_by text DEFAULT session_user
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_model public.recommender_models;
    v_previous text;
    v_activated_at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(recommender._lock_key('model'));
    SELECT m.* INTO v_model
    FROM public.recommender_models AS m WHERE m.model_version = p_model_version;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER011',
            MESSAGE = format('there is no model %s', coalesce('"' || p_model_version || '"', 'NULL')),
            HINT = 'SELECT model_version, is_active FROM recommender_models lists them';
    ELSIF recommender.feature_set(v_model.feature_names) IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER012',
            MESSAGE = format('model "%s" was trained on other features', p_model_version),
            HINT = 'it cannot score: activate one with the features of a set of recommender.feature_names, or train one';
    ELSIF NOT recommender._weights_are_usable(v_model.feature_names, v_model.weights) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER013',
            MESSAGE = format('the weights of model "%s" are unusable', p_model_version),
            HINT = 'it cannot score: activate another one, or train one';
    END IF;
    SELECT m.model_version INTO v_previous
    FROM public.recommender_models AS m WHERE m.is_active;
    IF v_previous IS NOT DISTINCT FROM p_model_version THEN
        RETURN p_model_version;
    END IF;
    UPDATE public.recommender_models AS m SET is_active = false WHERE m.is_active;
    UPDATE public.recommender_models AS m SET is_active = true
    WHERE m.model_version = p_model_version;
    -- By the clock, now that the lock is held: an evaluation that began before it was must not take
    -- for its own what was seen until here.
    v_activated_at := coalesce(
        nullif(current_setting('recommender.as_of', true), '')::timestamptz, clock_timestamp()
    );
    INSERT INTO public.model_activations (
        model_version, previous_version, kind, reason, activated_by, activated_at
    )
    VALUES (
        p_model_version, v_previous, p_kind, p_reason, p_activated_by, v_activated_at
    );
    RETURN p_model_version;
END;
$$;

COMMENT ON FUNCTION recommender.activate_model(text, text, text, text) IS
'Makes a model the only active one, once no writer of lists is in the middle of a batch, and notes in model_activations who did it and why; nothing is noted where it is active already. p_kind is manual, training or rollback. The lists keep the old model''s order until they are rescored. Returns the version; raises ER011 for an unknown one, ER012 and ER013 for one that cannot score.';
