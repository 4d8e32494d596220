-- What an organizer is called.

CREATE OR REPLACE FUNCTION recommender._organizer_name(p_org_name text, p_full_name text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(nullif(btrim(p_org_name), ''), nullif(btrim(p_full_name), ''));
END;

COMMENT ON FUNCTION recommender._organizer_name(text, text) IS
'The organization''s name, else the person''s; NULL where both are blank.';
