-- A moment as the desk writes it.

CREATE OR REPLACE FUNCTION recommender._moment_text(p_moment timestamptz)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT to_char(p_moment AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"');
END;

COMMENT ON FUNCTION recommender._moment_text(timestamptz) IS
'A moment to the minute, in UTC whatever the session''s time zone; NULL gives NULL.';
