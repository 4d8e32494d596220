-- Notes what the lists of a run know of the events, in the transaction that prepared them.
--
-- The first preparation of a run of all students notes everything. What another preparation finds
-- otherwise (another connection, a run that was resumed) is marked as unknown: some lists have it
-- one way, some the other, so that it counts as changed next time.

CREATE OR REPLACE FUNCTION recommender._note_run_events(
    p_run public.recommendation_runs, p_model public.recommender_models
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_slack double precision := recommender._popularity_slack(p_run);
    v_bias_weight double precision := recommender.model_weight(p_model, 'bias');
    v_popularity_weight double precision := recommender.model_weight(p_model, 'popularity');
    v_days_until_weight double precision := recommender.model_weight(p_model, 'days_until');
    v_is_first boolean;
BEGIN
    SELECT r.is_full AND r.events_noted_at IS NULL INTO STRICT v_is_first
    FROM public.recommendation_runs AS r WHERE r.id = p_run.id
    FOR NO KEY UPDATE;
    IF v_is_first THEN
        DELETE FROM public.recommendation_run_events;
        UPDATE public.recommendation_runs AS r SET events_noted_at = clock_timestamp()
        WHERE r.id = p_run.id;
    END IF;
    INSERT INTO public.recommendation_run_events AS k (
        event_id, attributes_hash, start_time, seats_taken
    )
    SELECT
        x.event_id,
        CASE WHEN v_is_first AND x.is_scored THEN x.attributes_hash END,
        x.start_time,
        x.seats_taken
    FROM (
        SELECT
            coalesce(m.event_id, n.event_id) AS event_id,
            s.attributes_hash,
            s.start_time,
            s.seats_taken,
            -- Registrations or an edit may have come between scored and read here.
            m.event_id IS NOT NULL AND abs(m.base - recommender.base_logit(
                v_bias_weight, v_popularity_weight, v_days_until_weight,
                s.seats_taken, s.start_time, p_run.as_of
            ) - coalesce(x.logit, 0)) <= 1e-9 IS TRUE AS is_scored,
            n.attributes_hash = s.attributes_hash
            AND n.start_time = s.start_time
            AND abs(v_popularity_weight * (
                recommender.popularity(s.seats_taken) - recommender.popularity(n.seats_taken)
            )) <= v_slack AS is_noted,
            m.event_id IS NULL AND n.start_time < p_run.as_of AS has_started
        FROM pg_temp.scoring_members AS m
        LEFT JOIN recommender._event_states AS s ON s.event_id = m.event_id
        LEFT JOIN recommender._event_number_logits(p_model) AS x ON x.event_id = m.event_id
        FULL JOIN public.recommendation_run_events AS n ON n.event_id = m.event_id
    ) AS x
    WHERE v_is_first OR (x.is_scored AND x.is_noted OR x.has_started) IS NOT TRUE
    ON CONFLICT (event_id) DO UPDATE SET attributes_hash = NULL
    WHERE k.attributes_hash IS NOT NULL;
END;
$$;

COMMENT ON FUNCTION recommender._note_run_events(
    public.recommendation_runs, public.recommender_models
) IS
'Writes recommendation_run_events from this session''s scoring_members and recommender._event_states at recommender.as_of(): all of it for the first preparation of a run of all students; else only what differs from it, as unknown (attributes_hash NULL). Events that merely started do not differ.';
