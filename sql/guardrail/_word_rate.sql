-- A rate as a person reads it.

CREATE OR REPLACE FUNCTION recommender._word_rate(p_count bigint, p_of bigint)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(round(100.0 * p_count / nullif(p_of, 0), 1), 0)::text || ' %';
END;

COMMENT ON FUNCTION recommender._word_rate(bigint, bigint) IS
'p_count / p_of in percent with one decimal, 0 % of nothing.';
