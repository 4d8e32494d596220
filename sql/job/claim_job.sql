-- Takes the job that has waited longest; NULL if there is none to take.

CREATE OR REPLACE FUNCTION recommender.claim_job(
    p_worker text, p_lanes text[] DEFAULT ARRAY['refresh', 'batch', 'training']
)
RETURNS public.background_jobs
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_job public.background_jobs;
BEGIN
    IF p_worker IS NULL OR p_lanes <@ ARRAY['refresh', 'batch', 'training'] IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER042',
            MESSAGE = format(
                'worker %s cannot claim jobs of the lanes %s',
                coalesce(p_worker, 'NULL'), coalesce(p_lanes::text, 'NULL')
            ),
            HINT = 'give the worker a name, and lanes of {refresh,batch,training}';
    END IF;
    IF p_lanes && ARRAY['batch', 'training'] THEN
        -- These run alone, so two workers must not take two of a type at the same moment.
        PERFORM pg_advisory_xact_lock(recommender._lock_key('claim'));
    END IF;
    SELECT j.* INTO v_job
    FROM public.background_jobs AS j
    WHERE
        j.status = 'queued'
        AND j.run_at <= now()
        AND recommender._job_lane(j.job_type, j.payload) = ANY (p_lanes)
        AND NOT recommender._is_job_blocked(j.job_type, j.dedupe_key)
    ORDER BY j.run_at, j.id
    LIMIT 1
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE public.background_jobs AS j SET
        status = 'running',
        attempts = j.attempts + 1,
        locked_at = clock_timestamp(),
        locked_by = p_worker
    WHERE j.id = v_job.id
    RETURNING * INTO v_job;
    RETURN v_job;
END;
$$;

COMMENT ON FUNCTION recommender.claim_job(text, text[]) IS
'Marks the first due job of the lanes as running for p_worker and returns it; a row of NULLs if there is none. Jobs that others are claiming are skipped. Of the refreshes of one student, and of all other jobs of one type, one runs at a time. (id, p_worker, attempts) is what the other functions know the claim by: whoever lost it to the sweep cannot end the job any more. Raises ER042 for a worker without a name or another lane.';
