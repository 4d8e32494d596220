-- The logits that weights give to what is held out.

CREATE OR REPLACE FUNCTION recommender._score_holdouts(
    p_weights double precision[], p_feature_names text[]
)
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
    RETURN QUERY EXECUTE format(
        $sql$
        SELECT m.example_no, m.user_id, m.event_id, m.label, m.weight, %s
        FROM pg_temp.training_matrix AS m
        WHERE m.kind IN ('holdout', 'holdout_negative')
        $sql$,
        (
            SELECT string_agg(
                format('$1[%s] * m.%I', n.feature_no, n.name), ' + ' ORDER BY n.feature_no
            )
            FROM unnest(p_feature_names) WITH ORDINALITY AS n (name, feature_no)
        )
    ) USING p_weights;
END;
$$;

COMMENT ON FUNCTION recommender._score_holdouts(double precision[], text[]) IS
'One row is one held-out positive (label 1) or one of its negatives (label 0) of pg_temp.training_matrix with the logit of the weights, one for each name. Raises 42703 for a feature the matrix does not have.';
