-- Takes jobs away from workers that have been silent for too long.

CREATE OR REPLACE FUNCTION recommender.requeue_stale_jobs()
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_job public.background_jobs;
    v_error text;
    v_count integer := 0;
BEGIN
    -- Whoever is in the middle of a step holds the row, and is skipped: it is not silent.
    FOR v_job IN
        SELECT j.* FROM public.background_jobs AS j
        WHERE
            j.status = 'running'
            AND recommender._job_lane(j.job_type, j.payload) IS NOT NULL
            AND coalesce(j.locked_at, '-infinity') < clock_timestamp() - (
                SELECT p.stale_after_seconds FROM recommender.parameters AS p
            ) * interval '1 second'
        ORDER BY j.id
        FOR UPDATE SKIP LOCKED
    LOOP
        v_error := format(
            'worker %s has not been heard of since %s',
            coalesce(v_job.locked_by, 'without a name'),
            coalesce(v_job.locked_at::text, 'it began')
        );
        BEGIN
            IF v_job.attempts >= v_job.max_attempts THEN
                PERFORM recommender._end_failed_job(v_job.id, v_error);
            ELSE
                PERFORM recommender._requeue_job(v_job, now(), v_job.attempts, v_error);
            END IF;
        -- A row that somebody else wrote may be one that cannot be queued: it fails, alone.
        EXCEPTION WHEN OTHERS THEN
            PERFORM recommender._end_failed_job(
                v_job.id, format('%s; %s: %s', v_error, SQLSTATE, SQLERRM)
            );
        END;
        v_count := v_count + 1;
    END LOOP;
    RETURN v_count;
END;
$$;

COMMENT ON FUNCTION recommender.requeue_stale_jobs() IS
'Queues running jobs without a sign of life for TASK_QUEUE_STALE_AFTER_SECONDS again, or marks them failed after max_attempts, and returns how many. Their workers have lost the claim.';
