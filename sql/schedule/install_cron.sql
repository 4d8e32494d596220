-- Has pg_cron run the schedule and the jobs, where that extension is.

CREATE OR REPLACE FUNCTION recommender.install_cron()
RETURNS TABLE (job_id bigint, job_name text, cron text, command text)
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'pg_cron') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER054',
            MESSAGE = format('pg_cron is not installed in the database %I', current_database()),
            HINT = 'add pg_cron to shared_preload_libraries, name this database in'
                ' cron.database_name, restart, and CREATE EXTENSION pg_cron; without it python -m'
                ' app.worker runs the schedule';
    END IF;
    -- Somebody else's of the same names would be run besides ours.
    PERFORM recommender.uninstall_cron();
    RETURN QUERY
    SELECT cron.schedule(t.job_name, '* * * * *', t.command), t.job_name, '* * * * *', t.command
    FROM (
        VALUES
        ('eventrank schedule', 'CALL recommender.run_schedule()'),
        -- Apart, so that a rescore of everybody does not hold up the refreshes.
        (
            'eventrank refreshes',
            'CALL recommender.run_jobs(p_limit => 10000, p_lanes => ''{refresh}'')'
        ),
        ('eventrank batch', 'CALL recommender.run_jobs(p_lanes => ''{batch}'')')
    ) AS t (job_name, command);
END;
$$;

COMMENT ON FUNCTION recommender.install_cron() IS
'Registers three jobs with pg_cron in this database, to be run as the caller: "eventrank schedule" looks each minute what is due, "eventrank refreshes" and "eventrank batch" run the jobs that need no training; returns their rows in cron.job. Called again it replaces them. Raises ER054 where pg_cron is not installed.';
