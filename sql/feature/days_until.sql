-- The feature days_until of an event that starts then.

CREATE OR REPLACE FUNCTION recommender.days_until(p_start_time timestamptz, p_as_of timestamptz)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_start_time > p_as_of
            THEN least(
                (date_part('epoch', p_start_time) - date_part('epoch', p_as_of)) / (180 * 86400.0),
                1
            )
        ELSE 0
    END;
END;

COMMENT ON FUNCTION recommender.days_until(timestamptz, timestamptz) IS
'Time to the start over a window of 180 days, between 0 and 1; 0 for past events and for NULL. Source of the window: the reference''s feature list.';
