-- Labels: who wanted what (pg_temp.training_pairs), and one wanted event per student set aside.

CREATE OR REPLACE FUNCTION recommender.build_training_pairs(
    p_seed bigint, p_has_holdouts boolean
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.training_pairs, pg_temp.training_events;
    CREATE TEMPORARY TABLE training_events AS
    SELECT
        (row_number() OVER (ORDER BY e.event_id))::integer - 1 AS event_no,
        e.event_id
    FROM recommender.source_events AS e
    WHERE e.is_known;
    CREATE UNIQUE INDEX ON pg_temp.training_events (event_no) INCLUDE (event_id);

    CREATE TEMPORARY TABLE training_pairs AS
    SELECT
        p.user_id,
        p.event_id,
        p.label,
        p.weight,
        p_has_holdouts AND p.label = 1
        AND p.positive_count >= 2 AND p.holdout_rank = 1 AS is_holdout
    FROM (
        SELECT
            g.user_id,
            g.event_id,
            g.label,
            g.weight,
            count(*) FILTER (WHERE g.label = 1) OVER (
                PARTITION BY g.user_id
            ) AS positive_count,
            row_number() OVER (
                PARTITION BY g.user_id, g.label
                ORDER BY
                    recommender.training_hash(p_seed, g.user_id, g.event_id, -1, 2147483647),
                    g.event_id
            ) AS holdout_rank
        FROM recommender.training_labels AS g
    ) AS p;
    CREATE UNIQUE INDEX ON pg_temp.training_pairs (user_id, event_id) INCLUDE (label);
    ANALYZE pg_temp.training_events, pg_temp.training_pairs;
END;
$$;

COMMENT ON FUNCTION recommender.build_training_pairs(bigint, boolean) IS
'Builds, in this session''s temporary tables, training_events (all events known at recommender.as_of(), numbered from 0) and training_pairs (one row per student and event with a signal: label 1 with the largest signal''s weight, or label 0 with weight 2.0 after an unregister; is_holdout marks one positive of each student with at least two).';
