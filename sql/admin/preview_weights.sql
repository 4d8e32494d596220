-- What another model would do to a student's list: where each event stands, and would stand.

CREATE OR REPLACE FUNCTION recommender.preview_weights(
    p_weights double precision[], p_user_id integer, p_top_n integer DEFAULT 20
)
RETURNS TABLE (
    event_id integer,
    title text,
    old_rank integer,
    new_rank integer,
    old_score double precision,
    new_score double precision,
    change jsonb
)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_model public.recommender_models := recommender.current_model();
BEGIN
    PERFORM recommender._validate_top_n(p_top_n);
    PERFORM recommender._check_student(p_user_id);
    IF NOT recommender._weights_are_usable(v_model.feature_names, p_weights) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER051',
            MESSAGE = 'these weights cannot be scored with',
            DETAIL = format('They are %s.', coalesce(p_weights::text, 'NULL')),
            HINT = format(
                'give %s numbers between -1e6 and 1e6: the weights of %s',
                cardinality(v_model.feature_names),
                array_to_string(v_model.feature_names, ', ')
            );
    END IF;
    RETURN QUERY
    SELECT
        n.event_id,
        e.title,
        o.rank::integer,
        n.rank::integer,
        recommender.sigmoid(o.logit),
        recommender.sigmoid(n.logit),
        (
            SELECT jsonb_object_agg(x.feature, x.new_value - x.old_value)
            FROM unnest(v_model.feature_names, n.contributions, o.contributions)
                AS x (feature, new_value, old_value)
        )
    FROM recommender._rank_all(p_user_id, v_model.feature_names, p_weights) AS n
    INNER JOIN recommender._rank_all(p_user_id, v_model.feature_names, v_model.weights) AS o
        ON o.event_id = n.event_id
    INNER JOIN recommender.source_events AS e ON e.event_id = n.event_id
    WHERE n.rank <= p_top_n OR o.rank <= p_top_n
    ORDER BY n.rank;
END;
$$;

COMMENT ON FUNCTION recommender.preview_weights(double precision[], integer, integer) IS
'One row is one event that is among a student''s first p_top_n under recommender.current_model() (old_rank, old_score) or under p_weights (new_rank, new_score), by new_rank; nothing is stored. The ranks are those recommender.rank_events gives at recommender.as_of() with either, counted through all eligible events, so that one may lie beyond p_top_n. title is the event''s. change is {feature: contribution under p_weights minus contribution now} in logit units, and adds up to the difference of the logits. Raises ER051 unless p_weights are one finite number for each feature of that model, ER003 for a p_top_n out of bounds, ER010 to ER013 without a model to compare with, ER020 for somebody who is not a student.';
