-- How often a held-out event comes among the first ten of its candidates.

CREATE OR REPLACE FUNCTION recommender.evaluate_holdouts(p_weights double precision[])
RETURNS TABLE (
    student_count bigint, hitrate_at_10 double precision, chance_at_10 double precision
)
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    RETURN QUERY
    WITH logits AS (
        SELECT
            m.user_id,
            m.event_id,
            m.kind,
            recommender.sort_key(
                p_weights[1] * m.bias
                + p_weights[2] * m.overlap_interest_ratio
                + p_weights[3] * m.overlap_history_ratio
                + p_weights[4] * m.same_city
                + p_weights[5] * m.category_match
                + p_weights[6] * m.organizer_match
                + p_weights[7] * m.popularity
                + p_weights[8] * m.days_until
            ) AS sort_key
        FROM pg_temp.training_matrix AS m
        WHERE m.kind IN ('holdout', 'holdout_negative')
    ),

    ranks AS (
        SELECT
            l.kind,
            row_number() OVER (
                PARTITION BY l.user_id ORDER BY l.sort_key DESC, l.event_id
            ) AS rank,
            count(*) OVER (PARTITION BY l.user_id) AS candidate_count
        FROM logits AS l
    )

    SELECT
        count(*),
        avg(CASE WHEN r.rank <= 10 THEN 1 ELSE 0 END)::double precision,
        avg(least(1, 10.0 / r.candidate_count))::double precision
    FROM ranks AS r
    WHERE r.kind = 'holdout';
END;
$$;

COMMENT ON FUNCTION recommender.evaluate_holdouts(double precision[]) IS
'hitrate@10 of weights on pg_temp.training_matrix: the share of held-out positives among the first ten of their candidates, in the order of lists; beside it what chance would give. The held-out pairs are in neither history nor examples. NULL shares without holdouts.';
