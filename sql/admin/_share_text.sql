-- A part of a whole.

CREATE OR REPLACE FUNCTION recommender._share_text(p_part bigint, p_whole bigint)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT to_char(p_part, 'FM999,999,999,999,990')
        || ' of ' || to_char(p_whole, 'FM999,999,999,999,990')
        || coalesce(' (' || floor(100.0 * p_part / nullif(p_whole, 0)) || ' %)', '');
END;

COMMENT ON FUNCTION recommender._share_text(bigint, bigint) IS
'88 of 100 (88 %), rounded down: 100 % is all.';
