-- What one source of an attribute weighs at a moment.
--
-- plpgsql: the views give sub-selects as arguments, so that it is called in any case, and a call of
-- an SQL function costs several times as much.

CREATE OR REPLACE FUNCTION recommender.attribute_weight(
    p_source text,
    p_score double precision,
    p_last_seen_at timestamptz,
    p_as_of timestamptz,
    p_half_life_hours double precision,
    p_cap double precision
)
RETURNS double precision
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    IF p_source = 'attendance' THEN
        RETURN p_score;
    ELSIF p_source <> 'implicit' THEN
        RETURN 1;
    END IF;
    RETURN recommender.decayed_score(
        p_score, p_last_seen_at, p_as_of, p_half_life_hours, p_cap
    ) / p_cap;
END;
$$;

COMMENT ON FUNCTION recommender.attribute_weight(
    text, double precision, timestamptz, timestamptz, double precision, double precision
) IS
'1 for what was chosen, done, lived in or looked for; the decayed score over the cap, between 0 and 1, for source implicit; the score itself for source attendance.';
