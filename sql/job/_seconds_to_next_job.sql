-- How long until there is a job to claim.

CREATE OR REPLACE FUNCTION recommender._seconds_to_next_job(p_lanes text[])
RETURNS double precision
LANGUAGE sql
VOLATILE
BEGIN ATOMIC
    SELECT extract(EPOCH FROM j.run_at - clock_timestamp())::double precision
    FROM public.background_jobs AS j
    WHERE
        j.status = 'queued'
        AND isfinite(j.run_at)
        AND array_position(p_lanes, recommender._job_lane(j.job_type, j.payload)) IS NOT NULL
        AND NOT recommender._is_job_blocked(j.job_type, j.dedupe_key)
    ORDER BY j.run_at, j.id
    LIMIT 1;
END;

COMMENT ON FUNCTION recommender._seconds_to_next_job(text[]) IS
'Seconds until the first queued job of the lanes is due, negative if it is overdue; NULL if there is none, or all wait for jobs that run.';
