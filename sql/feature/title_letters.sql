-- A title reduced to its letters: what the events of a series have in common.

CREATE OR REPLACE FUNCTION recommender.title_letters(p_title text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    -- By code points: what a letter is depends on the database's locale. Beyond Latin-1's signs,
    -- all but blanks and punctuation counts as one.
    RETURN nullif(left(regexp_replace(
        recommender.normalize_text(p_title) COLLATE "C",
        '[\u0001-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+', '', 'g'
    ), 100), '');
END;
$$;

COMMENT ON FUNCTION recommender.title_letters(text) IS
'The letters of a title in lower case, at most 100: "Board games #12" and "board games" are both boardgames. NULL for a title without letters.';
