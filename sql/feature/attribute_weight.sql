-- What one source of an attribute weighs at a moment.

CREATE OR REPLACE FUNCTION recommender.attribute_weight(
    p_source text,
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
    SELECT CASE
        WHEN p_source <> 'implicit' THEN 1
        ELSE recommender.decayed_score(
            p_score, p_last_seen_at, p_as_of, p_half_life_hours, p_cap
        ) / p_cap
    END;
END;

COMMENT ON FUNCTION recommender.attribute_weight(
    text, double precision, timestamptz, timestamptz, double precision, double precision
) IS
'1 for what was chosen, done, lived in or looked for; the decayed score over the cap for source implicit. Between 0 and 1.';
