-- Puts the event side of a run into this session's temporary tables.
--
-- pg_temp.scoring_events: the eligible events, best base first.

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
    v_bias_weight double precision;
    v_popularity_weight double precision;
    v_days_until_weight double precision;
BEGIN
    SELECT r.* INTO STRICT v_run FROM public.recommendation_runs AS r WHERE r.id = p_run_id;
    SELECT m.* INTO STRICT v_model
    FROM public.recommender_models AS m WHERE m.model_version = v_run.model_version;
    v_bias_weight := recommender.model_weight(v_model, 'bias');
    v_popularity_weight := recommender.model_weight(v_model, 'popularity');
    v_days_until_weight := recommender.model_weight(v_model, 'days_until');
    -- Somebody may have rebuilt the twins since the run did.
    IF NOT recommender._ensure_run_snapshot(v_run) THEN
        RETURN NULL;
    END IF;
    PERFORM recommender._set_as_of(v_run.as_of);

    DROP TABLE IF EXISTS pg_temp.scoring_events;
    CREATE TEMPORARY TABLE scoring_events ON COMMIT PRESERVE ROWS AS
    SELECT
        row_number() OVER (
            ORDER BY recommender.sort_key(b.base) DESC, b.event_id
        )::integer AS base_rank,
        b.event_id,
        b.base
    FROM (
        SELECT
            e.event_id,
            recommender.base_logit(
                v_bias_weight, v_popularity_weight, v_days_until_weight,
                e.seats_taken, e.start_time, v_run.as_of
            ) AS base
        FROM recommender.eligible_events AS e
        -- Published or brought back since the twins were built, it would be scored without its
        -- attributes: it waits for the next run. Some events have none.
        WHERE
            e.event_id IN (SELECT a.event_id FROM recommender.event_attributes_snapshot AS a)
            OR e.event_id NOT IN (SELECT a.event_id FROM recommender.event_attributes AS a)
    ) AS b
    ORDER BY base_rank;
    GET DIAGNOSTICS v_event_count = ROW_COUNT;
    CREATE UNIQUE INDEX ON pg_temp.scoring_events (base_rank) INCLUDE (event_id, base);
    ANALYZE pg_temp.scoring_events;
    PERFORM recommender._prepare_postings(v_model);
    PERFORM set_config('recommender.prepared_run', p_run_id::text, false);
    PERFORM set_config('recommender.as_of', coalesce(v_previous, ''), true);
    RETURN v_event_count;
END;
$$;

COMMENT ON FUNCTION recommender.prepare_run(bigint) IS
'Builds this session''s temporary tables scoring_events, scoring_attributes, scoring_postings and scoring_reasons for a run, from the twins, which it rebuilds if they are of another moment. The session''s recommender.prepared_run names the run then. Returns the number of eligible events; NULL when the twins were being rebuilt for another moment: commit and call again. Call it once per connection before recommender.score_students; a VACUUM of the four spares the scans their visits to the heap.';
