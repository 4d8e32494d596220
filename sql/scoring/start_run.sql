-- Opens a bulk rescore, or takes up the one that was interrupted.

CREATE OR REPLACE FUNCTION recommender.start_run(
    p_top_n integer,
    p_as_of timestamptz DEFAULT NULL,
    p_resume boolean DEFAULT false,
    p_overwrite boolean DEFAULT false,
    p_user_ids integer[] DEFAULT NULL,
    p_is_full boolean DEFAULT NULL
)
RETURNS public.recommendation_runs
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_as_of timestamptz := coalesce(p_as_of, recommender.as_of());
    v_model public.recommender_models := recommender.current_model();
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
        v_run := recommender._resume_run(v_model.model_version);
    ELSE
        IF p_user_ids IS NULL AND NOT p_overwrite THEN
            PERFORM recommender.refuse_newer_lists(v_as_of);
        ELSIF NOT p_overwrite THEN
            PERFORM recommender.refuse_newer_lists(v_as_of, u.user_id)
            FROM unnest(p_user_ids) AS u (user_id)
            WHERE u.user_id IS NOT NULL;
        END IF;
        INSERT INTO public.recommendation_runs (
            model_version, as_of, top_n, overwrites, is_full, basis_hash
        )
        VALUES (
            v_model.model_version, v_as_of, p_top_n, p_overwrite,
            coalesce(p_is_full, p_user_ids IS NULL), recommender._basis_hash(v_model)
        )
        RETURNING * INTO v_run;
    END IF;
    INSERT INTO public.recommendation_lists (user_id)
    SELECT s.user_id FROM recommender.source_students AS s
    WHERE NOT EXISTS (
        SELECT FROM public.recommendation_lists AS l WHERE l.user_id = s.user_id
    )
    ORDER BY s.user_id
    ON CONFLICT (user_id) DO NOTHING;
    IF NOT p_resume AND p_user_ids IS NOT NULL THEN
        v_run.due_count := recommender._mark_lists(v_run.id, p_user_ids);
    END IF;
    RETURN v_run;
END;
$$;

COMMENT ON FUNCTION recommender.start_run(
    integer, timestamptz, boolean, boolean, integer[], boolean
) IS
'Opens a bulk rescore with recommender.current_model() for a moment (NULL: recommender.as_of()): of all students, of p_user_ids, or (p_is_full false) of those that recommender._mark_due will find; gives every student a list header. With p_resume the last unfinished run goes on where it stopped. Raises ER003, ER010 to ER013, ER030 (newer lists, without p_overwrite), ER031 (another model since), ER032 (nothing to resume).';
