-- The logistic function, from both sides so that neither exponential overflows.

CREATE OR REPLACE FUNCTION recommender.sigmoid(p_logit double precision)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- exp() raises beyond about ±709; at 700 the result is 1 or 1e-304 in float8 anyway.
    SELECT CASE
        WHEN p_logit >= 0 THEN 1 / (1 + exp(-least(p_logit, 700)))
        ELSE exp(greatest(p_logit, -700)) / (1 + exp(greatest(p_logit, -700)))
    END;
END;

COMMENT ON FUNCTION recommender.sigmoid(double precision) IS
'1 / (1 + exp(-logit)), between 0 and 1; never raises. NULL gives NULL.';
