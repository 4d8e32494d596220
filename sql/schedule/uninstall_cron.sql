-- Takes the recommender's jobs out of pg_cron.

CREATE OR REPLACE FUNCTION recommender.uninstall_cron()
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_job_ids bigint[];
BEGIN
    IF to_regclass('cron.job') IS NULL THEN
        RETURN 0;
    END IF;
    v_job_ids := ARRAY(
        SELECT j.jobid FROM cron.job AS j
        WHERE
            j.jobname IN ('eventrank schedule', 'eventrank refreshes', 'eventrank batch')
            AND j.database = current_database()
    );
    PERFORM cron.unschedule(u.job_id) FROM unnest(v_job_ids) AS u (job_id);
    RETURN cardinality(v_job_ids);
END;
$$;

COMMENT ON FUNCTION recommender.uninstall_cron() IS
'Removes what recommender.install_cron() registered in this database, and returns how many jobs that were: of the caller, or of anybody where the caller is a superuser. 0 where pg_cron is not installed.';
