-- A table's JSON as jsonb, where the column is json: what jsonb cannot hold is NULL.

CREATE OR REPLACE FUNCTION recommender._as_jsonb(p_json json)
RETURNS jsonb
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
    RETURN p_json::jsonb;
EXCEPTION WHEN untranslatable_character OR invalid_text_representation
OR numeric_value_out_of_range THEN
    -- json keeps what clients sent unread: escaped NULs, half surrogates, numbers beyond numeric.
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION recommender._as_jsonb(json) IS
'The value as jsonb; NULL for one that jsonb cannot hold (an escaped NUL, half a surrogate pair, a number beyond numeric), so that one client''s nonsense does not stop everybody''s training.';
