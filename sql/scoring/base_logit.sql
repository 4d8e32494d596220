-- The part of the logit that belongs to the event alone.

CREATE OR REPLACE FUNCTION recommender.base_logit(
    p_bias_weight double precision,
    p_popularity_weight double precision,
    p_days_until_weight double precision,
    p_seats_taken bigint,
    p_start_time timestamptz,
    p_as_of timestamptz
)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        p_bias_weight
        + p_popularity_weight * recommender.popularity(p_seats_taken)
        + p_days_until_weight * recommender.days_until(p_start_time, p_as_of);
END;

COMMENT ON FUNCTION recommender.base_logit(
    double precision, double precision, double precision, bigint, timestamptz, timestamptz
) IS
'bias, popularity and days_until times the model''s weights of them: the logit of an event for a student who shares nothing with it.';
