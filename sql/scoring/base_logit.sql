-- The part of the logit that belongs to the event alone.

CREATE OR REPLACE FUNCTION recommender.base_logit(
    p_model public.recommender_models,
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
        recommender.model_weight(p_model, 'bias')
        + recommender.model_weight(p_model, 'popularity') * recommender.popularity(p_seats_taken)
        + recommender.model_weight(p_model, 'days_until')
        * recommender.days_until(p_start_time, p_as_of);
END;

COMMENT ON FUNCTION recommender.base_logit(
    public.recommender_models, bigint, timestamptz, timestamptz
) IS
'bias, popularity and days_until times their weights: the logit of an event for a student who shares nothing with it.';
