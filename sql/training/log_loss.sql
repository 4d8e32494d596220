-- What a logit costs when the truth is known.

CREATE OR REPLACE FUNCTION recommender.log_loss(p_logit double precision, p_label integer)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- Through the sigmoid it would be ln(0) from a logit of 37 on; exp(-701) would be an underflow.
    SELECT
        greatest(CASE p_label WHEN 1 THEN -p_logit ELSE p_logit END, 0)
        + ln(1 + exp(greatest(-abs(p_logit), -700)));
END;

COMMENT ON FUNCTION recommender.log_loss(double precision, integer) IS
'-ln of the probability that sigmoid(logit) gives to the label (1, or else 0), in nats: 0 and more, finite for every finite logit, never raises. NULL gives NULL.';
