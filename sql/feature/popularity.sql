-- The feature popularity of an event with so many seats taken.

CREATE OR REPLACE FUNCTION recommender.popularity(p_seats_taken bigint)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT least(ln(1 + greatest(coalesce(p_seats_taken, 0), 0)::double precision) / 5, 1);
END;

COMMENT ON FUNCTION recommender.popularity(bigint) IS
'min(ln(1 + seats taken) / 5, 1): 0 for an empty event, 1 from 148 seats on. Source of the formula: the reference''s feature list. NULL counts as 0.';
