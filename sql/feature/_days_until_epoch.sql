-- days_until of moments in seconds since 1970, in a form that is computed in place.
--
-- date_part of a timestamptz is only STABLE, which keeps days_until from being inlined: called for
-- every event, it would cost more than all the rest of a student's refresh.

CREATE OR REPLACE FUNCTION recommender._days_until_epoch(
    p_start_epoch double precision, p_as_of_epoch double precision
)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- The greatest of NULL and 0 is 0: an event without a start.
    SELECT least(greatest((p_start_epoch - p_as_of_epoch) / (180 * 86400.0), 0), 1);
END;

COMMENT ON FUNCTION recommender._days_until_epoch(double precision, double precision) IS
'recommender.days_until of moments given as seconds since 1970: equal to the last bit.';
