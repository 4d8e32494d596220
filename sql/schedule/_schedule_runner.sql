-- Who runs the schedule here.

CREATE OR REPLACE FUNCTION recommender._schedule_runner()
RETURNS text
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT coalesce(
        nullif(current_setting('application_name'), ''),
        -- Sessions of pg_cron have no name, but are of a kind of their own.
        (
            SELECT nullif(a.backend_type, 'client backend')
            FROM pg_catalog.pg_stat_activity AS a
            WHERE a.pid = pg_backend_pid()
        ),
        'session ' || pg_backend_pid()
    );
END;

COMMENT ON FUNCTION recommender._schedule_runner() IS
'The application_name of the session; pg_cron, if it is one of its; else session and its process id.';
