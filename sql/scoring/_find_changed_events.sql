-- Finds the events that lists know otherwise than they are now.

CREATE OR REPLACE FUNCTION recommender._find_changed_events(
    p_run public.recommendation_runs, p_model public.recommender_models
)
RETURNS TABLE (event_count integer, changed_count integer)
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
AS $$
DECLARE
    v_slack double precision := recommender._popularity_slack(p_run);
    v_bias_weight double precision := recommender.model_weight(p_model, 'bias');
    v_popularity_weight double precision := recommender.model_weight(p_model, 'popularity');
BEGIN
    DROP TABLE IF EXISTS pg_temp.scoring_changes;
    CREATE TEMPORARY TABLE scoring_changes ON COMMIT DROP AS
    SELECT
        coalesce(s.event_id, n.event_id) AS event_id,
        s.event_id IS NOT NULL AS is_eligible,
        CASE
            WHEN n.event_id IS NULL THEN true
            -- Merely started: the serving query drops it until the next run of all.
            WHEN s.event_id IS NULL THEN (n.start_time < p_run.as_of) IS NOT TRUE
            ELSE (
                n.attributes_hash = s.attributes_hash
                AND n.start_time = s.start_time
                AND abs(v_popularity_weight * (
                    recommender.popularity(s.seats_taken) - recommender.popularity(n.seats_taken)
                )) <= v_slack
            ) IS NOT TRUE
        END AS is_changed,
        s.attributes_hash,
        s.start_time,
        s.seats_taken,
        v_bias_weight + v_popularity_weight * recommender.popularity(s.seats_taken)
        + coalesce(x.logit, 0) AS base
    FROM recommender._event_states AS s
    LEFT JOIN recommender._event_number_logits(p_model) AS x ON x.event_id = s.event_id
    FULL JOIN public.recommendation_run_events AS n ON n.event_id = s.event_id;
    ANALYZE pg_temp.scoring_changes;
    RETURN QUERY
    SELECT
        count(*) FILTER (WHERE c.is_eligible OR c.is_changed)::integer,
        count(*) FILTER (WHERE c.is_changed)::integer
    FROM pg_temp.scoring_changes AS c;
END;
$$;

COMMENT ON FUNCTION recommender._find_changed_events(
    public.recommendation_runs, public.recommender_models
) IS
'Fills pg_temp.scoring_changes for this transaction: one row is one event that is eligible at recommender.as_of() or noted in recommendation_run_events; is_changed where both differ, by more than recommender._popularity_slack as to popularity; base without days_until. Returns how many are eligible or have changed, and how many have changed.';
