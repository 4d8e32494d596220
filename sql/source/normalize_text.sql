-- Text as it is compared: without blanks at the ends, in lower case, NULL if nothing is left.
--
-- lower() answers differently under libc, builtin and ICU collations, so the mapping is spelled
-- out: Unicode's simple lower-case mapping, the same on every database. plpgsql, because an inlined
-- body would be in every plan a person reads.

CREATE OR REPLACE FUNCTION recommender.normalize_text(p_text text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    v_text text;
BEGIN
    IF octet_length(p_text) = char_length(p_text) THEN
        RETURN nullif(btrim(
            lower(p_text COLLATE "C"), e' \t\n\u000b\f\r\u001c\u001d\u001e\u001f'
        ), '');
    END IF;
    v_text := recommender._lower_beyond_ascii(p_text);
    RETURN nullif(btrim(
        lower(v_text COLLATE "C"),
        -- Unicode's blanks, as Python's str.strip() knows them.
        e'\t\n\u000b\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004'
        '\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'
    ), '');
END;
$$;

COMMENT ON FUNCTION recommender.normalize_text(text) IS
'Text as tags, categories and cities are compared: trimmed of Unicode blanks, lower case by Unicode''s simple mapping (the same under every collation), NULL if empty. NULL gives NULL.';
