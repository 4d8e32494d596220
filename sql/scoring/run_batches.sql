-- The students a run still has to pass, cut into batches.

CREATE OR REPLACE FUNCTION recommender.run_batches(
    p_run_id bigint, p_batch_size integer DEFAULT 200
)
RETURNS TABLE (user_ids integer [], student_count integer)
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT
        array_agg(l.user_id ORDER BY l.user_id) AS user_ids,
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
'One row is one batch of at most p_batch_size students the run has not passed; no rows when all are done.';
