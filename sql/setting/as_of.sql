-- The moment everything speaks for: the session's recommender.as_of, or now.

CREATE OR REPLACE FUNCTION recommender.as_of()
RETURNS timestamptz
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- After SET LOCAL and COMMIT a custom setting reads '' rather than NULL.
    SELECT coalesce(nullif(current_setting('recommender.as_of', true), '')::timestamptz, now());
END;

COMMENT ON FUNCTION recommender.as_of() IS
'The moment all views and functions speak for: the session''s recommender.as_of setting, else now(). Write (SELECT recommender.as_of()) in a filter, so that it runs once a query. Never NULL; a setting that is not a timestamp raises 22007.';
