-- Takes up the run that was interrupted.

CREATE OR REPLACE FUNCTION recommender._resume_run(p_model_version text)
RETURNS public.recommendation_runs
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_run public.recommendation_runs;
BEGIN
    -- What a later run of all students has finished needs no end any more.
    SELECT r.* INTO v_run
    FROM public.recommendation_runs AS r
    WHERE
        r.finished_at IS NULL
        AND NOT EXISTS (
            SELECT FROM public.recommendation_runs AS f
            WHERE f.id > r.id AND f.is_full AND f.finished_at IS NOT NULL
        )
    ORDER BY r.is_full DESC, r.id DESC
    LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER032',
            MESSAGE = 'there is no interrupted run to resume',
            HINT = 'start a new one, without --resume (p_resume)';
    ELSIF v_run.model_version <> p_model_version THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER031',
            MESSAGE = format(
                'run %s was writing lists of model "%s", but "%s" scores now',
                v_run.id, v_run.model_version, p_model_version
            ),
            HINT = 'start a new run, without --resume (p_resume)';
    END IF;
    RETURN v_run;
END;
$$;

COMMENT ON FUNCTION recommender._resume_run(text) IS
'The last unfinished run of all students, else of some, that no later run of all has replaced (ER032: none); it must be of the model of this version (ER031).';
