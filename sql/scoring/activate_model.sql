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
    v_previous text;
BEGIN
    PERFORM pg_advisory_xact_lock(recommender._lock_key('model'));
    IF NOT EXISTS (
        SELECT FROM public.recommender_models AS m WHERE m.model_version = p_model_version
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER011',
            MESSAGE = format('there is no model %s', coalesce('"' || p_model_version || '"', 'NULL')),
            HINT = 'SELECT model_version, is_active FROM recommender_models lists them';
    END IF;
    SELECT m.model_version INTO v_previous
    FROM public.recommender_models AS m WHERE m.is_active;
    IF v_previous IS NOT DISTINCT FROM p_model_version THEN
        RETURN p_model_version;
    END IF;
    UPDATE public.recommender_models AS m SET is_active = false WHERE m.is_active;
    UPDATE public.recommender_models AS m SET is_active = true
    WHERE m.model_version = p_model_version;
    INSERT INTO public.model_activations (
        model_version, previous_version, kind, reason, activated_by, activated_at
    )
    VALUES (
        p_model_version, v_previous, p_kind, p_reason, p_activated_by, recommender.as_of()
    );
    RETURN p_model_version;
END;
$$;

COMMENT ON FUNCTION recommender.activate_model(text, text, text, text) IS
'Makes a model the only active one, once no writer of lists is in the middle of a batch, and notes in model_activations who did it and why; nothing is noted where it is active already. p_kind is manual, training or rollback. The lists keep the old model''s order until they are rescored. Returns the version; raises ER011 for an unknown one.';
