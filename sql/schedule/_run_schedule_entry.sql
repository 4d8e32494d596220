-- Runs an entry of the schedule if it is due: the claim, the command and its result are one commit.
--
-- A session that is killed in between leaves nothing, and the next look runs the occurrence.

CREATE OR REPLACE FUNCTION recommender._run_schedule_entry(p_name text)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_entry record;
    v_missed_count integer;
    v_result jsonb;
    v_hint text;
    v_error text;
BEGIN
    PERFORM pg_advisory_xact_lock(recommender._lock_key('schedule'));
    SELECT e.* INTO v_entry FROM recommender._schedule_entries AS e WHERE e.name = p_name;
    IF v_entry.seen_at IS NULL THEN
        PERFORM recommender._start_schedule_entry(p_name);
        RETURN false;
    ELSIF v_entry.due_at IS NULL THEN
        RETURN false;
    END IF;
    v_missed_count := recommender._count_occurrences(
        v_entry.cron, v_entry.seen_at, v_entry.due_at
    );
    INSERT INTO public.schedule_runs (name, occurrence_at, started_at, started_by, missed_count)
    VALUES (
        p_name, v_entry.due_at, recommender.as_of(), recommender._schedule_runner(), v_missed_count
    )
    ON CONFLICT (name, occurrence_at) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    BEGIN
        EXECUTE v_entry.command INTO v_result;
    EXCEPTION
    WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
        -- Somebody was in the way: the next look finds it due as before.
        RAISE WARNING '% was not run: %', p_name, SQLERRM;
        DELETE FROM public.schedule_runs AS r
        WHERE r.name = p_name AND r.occurrence_at = v_entry.due_at;
        RETURN false;
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_hint = PG_EXCEPTION_HINT;
        v_error := concat_ws('; ', SQLSTATE || ': ' || SQLERRM, nullif(v_hint, ''));
    END;
    UPDATE public.schedule_runs AS r SET
        finished_at = recommender.as_of(),
        result = v_result,
        error = v_error
    WHERE r.name = p_name AND r.occurrence_at = v_entry.due_at;
    DELETE FROM public.schedule_runs AS r
    WHERE r.name = p_name AND r.occurrence_at < v_entry.due_at - interval '30 days';
    PERFORM recommender._tell_schedule_run(p_name, v_entry.due_at, v_missed_count, v_error);
    RETURN true;
END;
$$;

COMMENT ON FUNCTION recommender._run_schedule_entry(text) IS
'Runs the latest occurrence of an entry, unless it was run, and says whether it did; the row in schedule_runs has its result, or the error it raised, and for how many earlier occurrences it stands (missed_count), which is told in a WARNING, too. Where a lock, a deadlock or a serialization failure was in the way, it stays due. An entry that is seen for the first time begins with its next occurrence. Removes the entry''s runs that are 30 days older. Others who ask at the same time wait, and find it run.';
