-- Whether a batch of interactions is as telemetry takes it, but for days that do not exist.

CREATE OR REPLACE FUNCTION recommender._is_sound_batch(p_events jsonb)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    IF p_events IS NULL OR jsonb_typeof(p_events) <> 'array' THEN
        RETURN false;
    ELSIF jsonb_array_length(p_events) NOT BETWEEN 1 AND 100 THEN
        RETURN false;
    END IF;
    RETURN NOT EXISTS (
        SELECT
        FROM jsonb_array_elements(p_events) AS x (item)
        WHERE NOT (
            jsonb_typeof(x.item) = 'object'
            AND recommender._is_interaction_type(x.item -> 'interaction_type')
            AND recommender._is_event_id(x.item -> 'event_id')
            AND recommender._looks_like_instant(x.item -> 'occurred_at')
            AND recommender._is_client_id(x.item -> 'client_id')
            AND recommender._is_meta(x.item -> 'meta')
        )
    );
END;
$$;

COMMENT ON FUNCTION recommender._is_sound_batch(jsonb) IS
'Whether the value is an array of 1 to 100 interactions without a fault; an instant is judged by its form only.';
