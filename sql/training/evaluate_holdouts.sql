-- How often a held-out event comes among the first ten of its candidates.

CREATE OR REPLACE FUNCTION recommender.evaluate_holdouts(
    p_weights double precision[], p_feature_names text[] DEFAULT NULL
)
RETURNS TABLE (
    student_count bigint, hitrate_at_10 double precision, chance_at_10 double precision
)
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    RETURN QUERY
    WITH ranks AS (
        SELECT
            s.label,
            row_number() OVER (
                PARTITION BY s.user_id
                ORDER BY recommender.sort_key(s.logit) DESC, s.event_id
            ) AS rank,
            count(*) OVER (PARTITION BY s.user_id) AS candidate_count
        FROM recommender._score_holdouts(
            p_weights, coalesce(p_feature_names, recommender.feature_names())
        ) AS s
    )

    SELECT
        count(*),
        avg(CASE WHEN r.rank <= 10 THEN 1 ELSE 0 END)::double precision,
        avg(least(1, 10.0 / r.candidate_count))::double precision
    FROM ranks AS r
    WHERE r.label = 1;
END;
$$;

COMMENT ON FUNCTION recommender.evaluate_holdouts(double precision[], text[]) IS
'hitrate@10 of weights (of p_feature_names; NULL: recommender.feature_names()) on pg_temp.training_matrix: the share of held-out positives among the first ten of their candidates, in the order of lists; beside it what chance would give. The held-out pairs are in neither history nor examples. NULL shares without holdouts.';
