-- The logits that weights give to what is held out.

CREATE OR REPLACE FUNCTION recommender._score_holdouts(p_weights double precision[])
RETURNS TABLE (
    example_no bigint,
    user_id integer,
    event_id integer,
    label integer,
    weight double precision,
    logit double precision
)
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    RETURN QUERY
    SELECT
        m.example_no,
        m.user_id,
        m.event_id,
        m.label,
        m.weight,
        p_weights[1] * m.bias
        + p_weights[2] * m.overlap_interest_ratio
        + p_weights[3] * m.overlap_history_ratio
        + p_weights[4] * m.same_city
        + p_weights[5] * m.category_match
        + p_weights[6] * m.organizer_match
        + p_weights[7] * m.popularity
        + p_weights[8] * m.days_until
    FROM pg_temp.training_matrix AS m
    WHERE m.kind IN ('holdout', 'holdout_negative');
END;
$$;

COMMENT ON FUNCTION recommender._score_holdouts(double precision[]) IS
'One row is one held-out positive (label 1) or one of its negatives (label 0) of pg_temp.training_matrix with the logit of the weights, which are in the order of recommender.feature_names().';
