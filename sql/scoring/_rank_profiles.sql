-- Ranks the eligible events for each profile of a batch.
--
-- Per profile: the sums of shared attributes, together with the first events by base, which are
-- columns of weight 0 (recommender._gather_profiles). Heads stand for the events of equal
-- attributes behind them.

CREATE OR REPLACE FUNCTION recommender._rank_profiles(p_top_n integer)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_has_classes boolean := EXISTS (
        SELECT FROM pg_temp.scoring_members AS m WHERE m.event_id <> m.head_id
    );
BEGIN
    INSERT INTO pg_temp.scoring_ranks (profile_id, rank, event_id, score)
    SELECT
        p.profile_id,
        t.rank,
        t.event_id,
        recommender.sigmoid(t.logit + p.own_logit)
    FROM pg_temp.scoring_profiles AS p
    CROSS JOIN LATERAL (
        WITH postings AS (
            SELECT
                u.weight,
                unnest(s.event_ids) AS event_id,
                unnest(s.event_values) AS value,
                unnest(s.bases) AS base
            FROM unnest(p.column_nos, p.column_weights) AS u (column_no, weight)
            INNER JOIN pg_temp.scoring_postings AS s ON s.column_no = u.column_no
        ),

        heads AS (
            SELECT
                s.event_id,
                min(s.base) AS base,
                sum(s.weight * s.value) AS contribution
            FROM postings AS s
            GROUP BY s.event_id
            ORDER BY recommender.sort_key(min(s.base) + sum(s.weight * s.value)) DESC, s.event_id
            LIMIT p_top_n + cardinality(p.registered_ids)
        ),

        unfolded AS (
            SELECT
                h.event_id,
                h.base + h.contribution AS logit
            FROM heads AS h
            WHERE NOT v_has_classes
            UNION ALL
            SELECT
                m.event_id,
                m.base + h.contribution AS logit
            FROM heads AS h
            INNER JOIN pg_temp.scoring_members AS m ON m.head_id = h.event_id
            WHERE v_has_classes
        )

        SELECT
            row_number() OVER (
                ORDER BY recommender.sort_key(e.logit) DESC, e.event_id
            )::integer AS rank,
            e.event_id,
            e.logit
        FROM unfolded AS e
        WHERE e.event_id <> ALL (p.registered_ids)
        ORDER BY recommender.sort_key(e.logit) DESC, e.event_id
        LIMIT p_top_n
    ) AS t;
END;
$$;

COMMENT ON FUNCTION recommender._rank_profiles(integer) IS
'Fills scoring_ranks: the first p_top_n events of each profile of scoring_profiles, score = sigmoid(logit + own_logit), by recommender.sort_key(logit) descending, then event_id; without the events registered for.';
