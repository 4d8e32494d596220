-- How well weights tell the held-out events from those they have to beat.

CREATE OR REPLACE FUNCTION recommender.evaluate_loss(
    p_weights double precision[],
    p_fitted_odds double precision DEFAULT NULL,
    p_feature_names text[] DEFAULT NULL
)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_odds double precision := recommender._training_odds();
    v_shift double precision := coalesce(ln(v_odds) - ln(p_fitted_odds), 0);
BEGIN
    RETURN (
        -- Fences: so log_loss is inlined, and each logit is computed once.
        WITH held_out AS MATERIALIZED (
            SELECT s.example_no, s.label, s.weight, s.logit + v_shift AS logit
            FROM recommender._score_holdouts(
                p_weights, coalesce(p_feature_names, recommender.feature_names())
            ) AS s
        ),

        totals AS MATERIALIZED (
            SELECT
                sum(h.weight ORDER BY h.example_no) FILTER (WHERE h.label = 1) AS positive,
                sum(h.weight ORDER BY h.example_no) FILTER (WHERE h.label = 0) AS negative
            FROM held_out AS h
        ),

        weighted AS MATERIALIZED (
            SELECT
                h.example_no,
                h.label,
                h.logit,
                h.weight
                * CASE h.label WHEN 1 THEN 1 ELSE t.positive / v_odds / t.negative END AS weight
            FROM held_out AS h
            CROSS JOIN totals AS t
            WHERE t.positive > 0 AND t.negative > 0 AND v_odds > 0
        )

        SELECT
            sum(w.weight * recommender.log_loss(w.logit, w.label) ORDER BY w.example_no)
            / sum(w.weight ORDER BY w.example_no)
        FROM weighted AS w
    );
END;
$$;

COMMENT ON FUNCTION recommender.evaluate_loss(double precision[], double precision, text[]) IS
'Held-out loss of weights on pg_temp.training_matrix: the weighted mean of recommender.log_loss over the held-out positives (with the weight of their signal) and their sampled negatives, in nats. The negatives are weighted, all alike, so that positives and negatives weigh against each other as in the examples trained on: there are 50 for each positive, and a bias that was fitted to three would be judged by how many are drawn. p_fitted_odds are those (positive : negative weight) of the examples the weights were fitted to; where they differ, the logits are moved by the difference of their logarithms, which is what another ratio of negatives does to the bias and to nothing else. Without them the weights are taken as they are. p_feature_names says whose weights they are (NULL: recommender.feature_names()). NULL without held-out positives or without negatives for them.';
