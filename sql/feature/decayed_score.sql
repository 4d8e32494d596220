-- An implicit score at a moment: halved every half life, between 0 and the cap.

CREATE OR REPLACE FUNCTION recommender.decayed_score(
    p_score double precision,
    p_last_seen_at timestamptz,
    p_as_of timestamptz,
    p_half_life_hours double precision,
    p_cap double precision
)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- A score seen in the future has age 0. Beyond 300 halvings power() comes near underflow,
    -- which raises; such a score (and one below 1e-200, NaN or NULL) is 0.
    -- The epoch of a timestamptz is marked stable, which would keep this from being inlined; that
    -- of its time in UTC is the same number.
    SELECT CASE
        WHEN p_score > 1e-200 AND p_score <> 'NaN'
            AND (
                date_part('epoch', p_as_of AT TIME ZONE 'UTC')
                - date_part('epoch', p_last_seen_at AT TIME ZONE 'UTC')
            )
            / (3600 * p_half_life_hours) < 300
            THEN least(p_cap, p_score * power(0.5::double precision, greatest(
                0,
                (
                    date_part('epoch', p_as_of AT TIME ZONE 'UTC')
                    - date_part('epoch', p_last_seen_at AT TIME ZONE 'UTC')
                )
                / (3600 * p_half_life_hours)
            )))
        ELSE 0
    END;
END;

COMMENT ON FUNCTION recommender.decayed_score(
    double precision, timestamptz, timestamptz, double precision, double precision
) IS
'score * 0.5 ^ (age / half life), age not below 0, the result between 0 and the cap. Hours; 0 for a NULL, NaN, negative or very old score; never raises.';
