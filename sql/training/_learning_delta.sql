-- What one interaction adds to the implicit scores of its event's attributes.

CREATE OR REPLACE FUNCTION recommender._learning_delta(
    p_interaction_type text, p_meta jsonb, p_dwell_threshold_seconds double precision
)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE p_interaction_type
        WHEN 'click' THEN 1
        WHEN 'view' THEN 0.6
        WHEN 'share' THEN 1.3
        WHEN 'favorite' THEN 2
        WHEN 'register' THEN 2.5
        WHEN 'dwell' THEN CASE
            WHEN
                jsonb_typeof(p_meta -> 'seconds') = 'number'
                AND (p_meta ->> 'seconds')::numeric >= p_dwell_threshold_seconds::numeric
            THEN 0.8 + 0.4 * least(1, greatest(0, (p_meta ->> 'seconds')::numeric / 60))
            ELSE 0
        END
        ELSE 0
    END::double precision;
END;

COMMENT ON FUNCTION recommender._learning_delta(text, jsonb, double precision) IS
'The implicit score an interaction is worth when it is learned: click 1, view 0.6, share 1.3, favorite 2, register 2.5, dwell 0.8 + 0.4 * min(1, seconds / 60) from the threshold on, anything else 0.';
