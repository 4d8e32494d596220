-- The words of a title, each once.

CREATE OR REPLACE FUNCTION recommender.title_words(p_title text)
RETURNS SETOF text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
ROWS 5
AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT left(w.word, 50) COLLATE "default"
    FROM regexp_split_to_table(
        recommender.normalize_text(p_title) COLLATE "C",
        '[\u0001-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+'
    ) AS w (word)
    WHERE char_length(w.word) >= 3;
END;
$$;

COMMENT ON FUNCTION recommender.title_words(text) IS
'The words of a title that have at least three letters, normalised, each once, at most 50 characters of it; none for NULL.';
