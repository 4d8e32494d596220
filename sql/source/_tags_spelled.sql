-- The tags that some normalised texts stand for, under every spelling they have.
--
-- To normalise all the names there are is dear. In lower case a name has as many characters, so
-- only those of the right length are, and those that may have a blank at an end: whose first or
-- last character is not among the letters of Latin, Greek, Cyrillic and their neighbours.

CREATE OR REPLACE FUNCTION recommender._tags_spelled(p_tags text[])
RETURNS TABLE (tag_id integer, tag text)
LANGUAGE plpgsql
STABLE
ROWS 5
AS $$
DECLARE
    v_letters CONSTANT integer[] := ARRAY[33, 127, 161, 5760];
    v_lengths integer[] := ARRAY(
        SELECT DISTINCT char_length(t.tag) FROM unnest(p_tags) AS t (tag)
    );
BEGIN
    IF p_tags IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        t.tag_id,
        t.tag
    FROM recommender.source_tags AS t
    WHERE
        (
            char_length(t.name) = ANY (v_lengths)
            -- Even: below, between or above the two ranges of letters.
            OR width_bucket(ascii(t.name), v_letters) % 2 = 0
            OR width_bucket(ascii(right(t.name, 1)), v_letters) % 2 = 0
        )
        -- Hashed, which = ANY of a parameter is not: a batch may name thousands.
        AND t.tag IN (SELECT n.tag FROM unnest(p_tags) AS n (tag));
END;
$$;

COMMENT ON FUNCTION recommender._tags_spelled(text[]) IS
'The rows of recommender.source_tags whose tag is one of these; none for NULL.';
