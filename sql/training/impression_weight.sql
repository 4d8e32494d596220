-- How much an event that was shown at a position and not taken counts as a negative.

CREATE OR REPLACE FUNCTION recommender.impression_weight(p_position numeric)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_position <= 2 THEN 0.25
        WHEN p_position <= 5 THEN 0.15
        WHEN p_position <= 10 THEN 0.10
        ELSE 0.05
    END;
END;

COMMENT ON FUNCTION recommender.impression_weight(numeric) IS
'Weight of a negative by the best position it was shown at (0-based; NULL: unknown): 0.25 up to 2, 0.15 up to 5, 0.10 up to 10, else 0.05. The steps are the reference''s.';
