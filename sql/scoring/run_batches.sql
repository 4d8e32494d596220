-- The students a run still has to pass, cut into batches.
--
-- Those who are alike come together, the others in order of user_id, as they are stored.
-- A string body, because BEGIN ATOMIC would pin the materialized view.

CREATE OR REPLACE FUNCTION recommender.run_batches(
    p_run_id bigint, p_batch_size integer DEFAULT 200
)
RETURNS TABLE (user_ids integer[], student_count integer)
LANGUAGE sql
STABLE
AS $$
    SELECT
        array_agg(l.user_id ORDER BY l.user_id) AS user_ids,
        count(*)::integer AS student_count
    FROM (
        SELECT
            g.user_id,
            (row_number() OVER (ORDER BY g.first_user_id, g.user_id) - 1)
            / p_batch_size AS batch_no
        FROM (
            SELECT
                h.user_id,
                min(h.user_id) OVER (
                    PARTITION BY coalesce(p.likeness, h.user_id)
                ) AS first_user_id
            FROM recommender._remaining_lists(p_run_id) AS h
            LEFT JOIN recommender.user_profiles_snapshot AS p ON p.user_id = h.user_id
        ) AS g
    ) AS l
    GROUP BY l.batch_no
    ORDER BY l.batch_no;
$$;

COMMENT ON FUNCTION recommender.run_batches(bigint, integer) IS
'One row is one batch of at most p_batch_size students the run has not passed; no rows when all are done.';
