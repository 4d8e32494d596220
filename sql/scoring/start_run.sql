-- Opens a bulk rescore, or takes up the one that was interrupted.

CREATE OR REPLACE FUNCTION recommender.start_run(
    p_top_n integer,
    p_as_of timestamptz DEFAULT NULL,
    p_resume boolean DEFAULT false,
    p_overwrite boolean DEFAULT false
)
RETURNS public.recommendation_runs
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_as_of timestamptz := coalesce(p_as_of, recommender.as_of());
    v_model_version text := (recommender.current_model()).model_version;
    v_run public.recommendation_runs;
BEGIN
    PERFORM recommender._validate_top_n(p_top_n);
    IF v_as_of NOT BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59+00' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = format('the moment of the run is %s', v_as_of),
            HINT = 'give a moment from the year 1 to the year 9999';
    END IF;
    IF p_resume THEN
        SELECT r.* INTO v_run FROM public.recommendation_runs AS r ORDER BY r.id DESC LIMIT 1;
        IF v_run.id IS NULL OR v_run.finished_at IS NOT NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'ER032',
                MESSAGE = 'there is no interrupted run to resume',
                HINT = 'start a new one, without --resume (p_resume)';
        ELSIF v_run.model_version <> v_model_version THEN
            RAISE EXCEPTION USING
                ERRCODE = 'ER031',
                MESSAGE = format(
                    'run %s was writing lists of model "%s", but "%s" scores now',
                    v_run.id, v_run.model_version, v_model_version
                ),
                HINT = 'start a new run, without --resume (p_resume)';
        END IF;
    ELSE
        IF NOT p_overwrite THEN
            PERFORM recommender.refuse_newer_lists(v_as_of);
        END IF;
        INSERT INTO public.recommendation_runs (model_version, as_of, top_n, overwrites)
        VALUES (v_model_version, v_as_of, p_top_n, p_overwrite)
        RETURNING * INTO v_run;
    END IF;
    INSERT INTO public.recommendation_lists (user_id)
    SELECT s.user_id FROM recommender.source_students AS s
    ORDER BY s.user_id
    ON CONFLICT (user_id) DO NOTHING;
    RETURN v_run;
END;
$$;

COMMENT ON FUNCTION recommender.start_run(integer, timestamptz, boolean, boolean) IS
'Opens a bulk rescore of all students with recommender.current_model() for a moment (NULL: recommender.as_of()) and gives every student a list header; with p_resume the last unfinished run goes on where it stopped. Raises ER003, ER010 to ER013, ER030 (newer lists, without p_overwrite), ER031 (another model since), ER032 (nothing to resume).';
