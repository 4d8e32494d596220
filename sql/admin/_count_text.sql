-- A number of things, and their name.

CREATE OR REPLACE FUNCTION recommender._count_text(p_count bigint, p_one text, p_many text)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT to_char(p_count, 'FM999,999,999,999,990') || ' '
        || CASE WHEN p_count = 1 THEN p_one ELSE p_many END;
END;

COMMENT ON FUNCTION recommender._count_text(bigint, text, text) IS
'1 list, 12,345 lists: the number with commas, and the word that goes with it.';
