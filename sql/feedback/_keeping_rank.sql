-- Which of a pair's interactions retention keeps: the one of the highest rank.

CREATE OR REPLACE FUNCTION recommender._keeping_rank(p_interaction_type text, p_meta jsonb)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE p_interaction_type
        WHEN 'unregister' THEN 'Infinity'::double precision
        ELSE recommender._signal_weight(p_interaction_type, p_meta)
    END;
END;

COMMENT ON FUNCTION recommender._keeping_rank(text, jsonb) IS
'Infinity for an unregister, the weight of a training signal, NULL for what history does not need.';
