-- Makes one model the active one; waits for the writers of lists, and they wait for it.

CREATE OR REPLACE FUNCTION recommender.activate_model(p_model_version text)
RETURNS text
LANGUAGE plpgsql
VOLATILE
AS $$
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
    UPDATE public.recommender_models AS m SET is_active = false
    WHERE m.is_active AND m.model_version <> p_model_version;
    UPDATE public.recommender_models AS m SET is_active = true
    WHERE NOT m.is_active AND m.model_version = p_model_version;
    RETURN p_model_version;
END;
$$;

COMMENT ON FUNCTION recommender.activate_model(text) IS
'Makes a model the only active one, once no writer of lists is in the middle of a batch. The lists keep the old model''s order until they are rescored. Returns the version; raises ER011 for an unknown one.';
