-- A table's JSON as jsonb, where the column is jsonb already.

CREATE OR REPLACE FUNCTION recommender._as_jsonb(p_json jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT p_json;
END;

COMMENT ON FUNCTION recommender._as_jsonb(jsonb) IS
'The argument itself: which of the two functions of this name a view calls is decided by the type of the app''s column.';
