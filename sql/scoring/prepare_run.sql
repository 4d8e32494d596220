-- Puts the event side of a run into this session's temporary tables.
--
-- pg_temp.scoring_members: the eligible events with their bases, each with the head of its class:
-- events of equal attributes differ in their base only, so that the best of them, the head, is
-- scored for all.

CREATE OR REPLACE FUNCTION recommender.prepare_run(p_run_id bigint)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
AS $$
DECLARE
    v_run public.recommendation_runs;
    v_model public.recommender_models;
    v_previous text := current_setting('recommender.as_of', true);
    v_event_count integer;
BEGIN
    SELECT r.* INTO STRICT v_run FROM public.recommendation_runs AS r WHERE r.id = p_run_id;
    SELECT m.* INTO STRICT v_model
    FROM public.recommender_models AS m WHERE m.model_version = v_run.model_version;
    -- Somebody may have rebuilt the twins since the run did.
    IF NOT recommender._ensure_run_snapshot(v_run) THEN
        RETURN NULL;
    END IF;
    PERFORM recommender._set_as_of(v_run.as_of);
    v_event_count := recommender._prepare_events(v_model, v_run.as_of);
    PERFORM recommender._prepare_postings();
    PERFORM recommender._make_batch_tables();
    PERFORM recommender._note_run_events(v_run, v_model);
    PERFORM set_config('recommender.prepared_run', p_run_id::text, false);
    PERFORM set_config('recommender.as_of', coalesce(v_previous, ''), true);
    RETURN v_event_count;
END;
$$;

COMMENT ON FUNCTION recommender.prepare_run(bigint) IS
'Builds this session''s temporary tables for a run (scoring_events, scoring_members, scoring_attributes, scoring_postings, scoring_reasons, and those of a batch) from the twins, which it rebuilds if they are of another moment. The session''s recommender.prepared_run names the run then. Returns the number of eligible events; NULL when the twins were being rebuilt for another moment: commit and call again. Call it once per connection before recommender.score_students.';
