-- How much one interaction says that a student wanted the event.

CREATE OR REPLACE FUNCTION recommender._signal_weight(p_interaction_type text, p_meta jsonb)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE p_interaction_type
        WHEN 'click' THEN 0.4
        WHEN 'view' THEN 0.25
        WHEN 'share' THEN 0.6
        WHEN 'favorite' THEN 1.2
        WHEN 'register' THEN 1.0
        -- A dwell grows with its seconds; numeric, because JSON numbers may exceed float8.
        WHEN 'dwell' THEN CASE WHEN jsonb_typeof(p_meta -> 'seconds') = 'number'
            THEN least(0.8, 0.35 + greatest((p_meta ->> 'seconds')::numeric, 0) / 480)
            ELSE 0.35
        END
    END::double precision;
END;

COMMENT ON FUNCTION recommender._signal_weight(text, jsonb) IS
'The weight of an interaction as a training signal: click 0.4, view 0.25, dwell 0.35 to 0.8 by min(0.8, 0.35 + seconds / 480), share 0.6, favorite 1.2, register 1.0; NULL for what is none. The weights are the reference''s.';
