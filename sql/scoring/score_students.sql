-- Writes the lists of a batch of students, all or none of them.

CREATE OR REPLACE FUNCTION recommender.score_students(
    p_run_id bigint, p_user_ids integer[], p_wait boolean DEFAULT false
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_run public.recommendation_runs;
    v_previous text := current_setting('recommender.as_of', true);
    v_user_ids integer[];
    v_newer_ids integer[];
BEGIN
    -- Lists can be made again: a crash may cost the last batches, which the run then has to do.
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock_shared(recommender._lock_key('model'));
    SELECT r.* INTO STRICT v_run FROM public.recommendation_runs AS r WHERE r.id = p_run_id;
    PERFORM recommender._check_run_model(v_run);
    PERFORM recommender._check_prepared(p_run_id);
    -- The twins before the headers, as whoever marks headers does: the other way round, the two
    -- would wait for each other.
    IF NOT EXISTS (
        SELECT FROM recommender._remaining_lists(p_run_id) AS l
        WHERE l.user_id = ANY (p_user_ids)
    ) THEN
        RETURN 0;
    ELSIF NOT recommender._ensure_run_snapshot(v_run) THEN
        RETURN NULL;
    END IF;
    SELECT b.user_ids, b.newer_ids INTO v_user_ids, v_newer_ids
    FROM recommender._lock_lists(v_run, p_user_ids, p_wait) AS b;
    PERFORM recommender._set_as_of(v_run.as_of);
    IF v_user_ids IS NOT NULL THEN
        PERFORM recommender._gather_profiles(v_user_ids, v_run.as_of, v_run.top_n);
        PERFORM recommender._rank_profiles(v_run.top_n);
        PERFORM recommender._word_shared();
        PERFORM recommender._word_attendances();
        PERFORM recommender._write_lists(v_user_ids, v_run.model_version, v_run.as_of);
    END IF;
    PERFORM recommender._close_lists(v_run, v_user_ids, v_newer_ids);
    PERFORM set_config('recommender.as_of', coalesce(v_previous, ''), true);
    RETURN coalesce(cardinality(v_user_ids), 0) + coalesce(cardinality(v_newer_ids), 0);
END;
$$;

COMMENT ON FUNCTION recommender.score_students(bigint, integer[], boolean) IS
'Writes the lists of those of p_user_ids that the run has not passed, in the caller''s transaction, and returns how many it passed; at most 200 keep other writers from waiting. Lists somebody else is writing are skipped, or waited for with p_wait; lists of a later moment by the same model are left unless the run overwrites. Needs recommender.prepare_run in this session. NULL: the twins were being rebuilt for another moment; nothing was written, commit and call again. Raises ER031 when another model scores by now, ER056 without that preparation. Sets synchronous_commit to off until the end of the transaction.';
