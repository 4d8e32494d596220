-- Finds who is due in a run of what changed, and notes the events as those lists will know them.
--
-- One transaction: what is found is either marked and noted, or will be found again. Where so much
-- has changed that finding it saves little, the run becomes one of all students.

CREATE OR REPLACE FUNCTION recommender._mark_due(
    p_run_id bigint,
    p_event_share double precision DEFAULT 0.1,
    p_student_share double precision DEFAULT 0.5
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_run public.recommendation_runs;
    v_model public.recommender_models;
    v_full_as_of timestamptz;
    v_previous text := current_setting('recommender.as_of', true);
    v_event_count integer;
    v_changed_count integer;
    v_due_count integer;
BEGIN
    -- Two at once take turns: the later one takes over what the earlier has not passed.
    PERFORM pg_advisory_xact_lock(recommender._lock_key('mark_due'));
    SELECT r.* INTO STRICT v_run
    FROM public.recommendation_runs AS r WHERE r.id = p_run_id FOR NO KEY UPDATE;
    IF v_run.is_full OR v_run.due_count IS NOT NULL THEN
        RETURN coalesce(v_run.due_count, 0);
    ELSIF NOT recommender._ensure_run_snapshot(v_run) THEN
        RETURN NULL;
    END IF;
    SELECT m.* INTO STRICT v_model
    FROM public.recommender_models AS m WHERE m.model_version = v_run.model_version;
    SELECT r.as_of INTO v_full_as_of
    FROM public.recommendation_runs AS r
    WHERE r.is_full AND r.finished_at IS NOT NULL
    ORDER BY r.id DESC
    LIMIT 1;
    PERFORM recommender._set_as_of(v_run.as_of);
    SELECT c.event_count, c.changed_count INTO v_event_count, v_changed_count
    FROM recommender._find_changed_events(v_run, v_model) AS c;
    IF v_changed_count <= p_event_share * v_event_count THEN
        v_due_count := recommender._find_due_students(v_run, v_full_as_of);
    END IF;
    PERFORM set_config('recommender.as_of', coalesce(v_previous, ''), true);
    IF v_due_count <= p_student_share * (
        SELECT count(*) FROM public.recommendation_lists AS l
    ) THEN
        PERFORM recommender._note_changes();
        PERFORM recommender._mark_lists(
            p_run_id, ARRAY(SELECT DISTINCT d.user_id FROM pg_temp.scoring_due AS d)
        );
    ELSE
        UPDATE public.recommendation_runs AS r SET is_full = true WHERE r.id = p_run_id;
    END IF;
    RETURN coalesce(v_due_count, 0);
END;
$$;

COMMENT ON FUNCTION recommender._mark_due(bigint, double precision, double precision) IS
'Finds who is due in a run of what changed (once: called again it finds what it found), marks their headers and notes the changed events in recommendation_run_events. Where more than p_event_share of the events changed, or more than p_student_share of the students are due, the run becomes one of all (is_full). Returns how many are due; NULL: the twins were being rebuilt for another moment; nothing was written, commit and call again.';
