-- The lists a run has still to pass; not those a later run has passed: it knows more.

CREATE OR REPLACE FUNCTION recommender._remaining_lists(p_run_id bigint)
RETURNS TABLE (user_id integer)
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT l.user_id
    FROM (
        SELECT
            r.id,
            r.is_full
        FROM public.recommendation_runs AS r
        WHERE r.id = p_run_id
    ) AS r
    INNER JOIN public.recommendation_lists AS l ON CASE
        WHEN r.is_full THEN coalesce(l.run_id < r.id, true)
        ELSE l.due_run_id = r.id
    END;
END;

COMMENT ON FUNCTION recommender._remaining_lists(bigint) IS
'The students neither a run nor a later one has passed: of all, or of those that were found or given to it and that no later run took over.';
