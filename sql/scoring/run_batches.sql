-- The students a run still has to pass, cut into ranges.

CREATE OR REPLACE FUNCTION recommender.run_batches(
    p_run_id bigint, p_batch_size integer DEFAULT 200
)
RETURNS TABLE (first_user_id integer, last_user_id integer, student_count integer)
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT
        min(l.user_id) AS first_user_id,
        max(l.user_id) AS last_user_id,
        count(*)::integer AS student_count
    FROM (
        SELECT
            h.user_id,
            (row_number() OVER (ORDER BY h.user_id) - 1) / p_batch_size AS batch_no
        FROM public.recommendation_lists AS h
        WHERE h.run_id IS DISTINCT FROM p_run_id
    ) AS l
    GROUP BY l.batch_no
    ORDER BY l.batch_no;
END;

COMMENT ON FUNCTION recommender.run_batches(bigint, integer) IS
'One row is one range of user_id with at most p_batch_size students the run has not passed, in order; no rows when all are done.';
