-- Locks the headers of a batch of students, in order of user_id.

CREATE OR REPLACE FUNCTION recommender._lock_lists(
    p_run public.recommendation_runs, p_user_ids integer[], p_wait boolean
)
RETURNS TABLE (user_ids integer[], newer_ids integer[])
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    IF p_wait THEN
        PERFORM FROM public.recommendation_lists AS l
        WHERE l.user_id = ANY (p_user_ids)
        ORDER BY l.user_id
        FOR UPDATE;
    END IF;
    RETURN QUERY
    SELECT
        array_agg(h.user_id) FILTER (WHERE NOT h.is_newer),
        array_agg(h.user_id) FILTER (WHERE h.is_newer)
    FROM (
        SELECT
            l.user_id,
            NOT p_run.overwrites
            AND coalesce(l.generated_at > p_run.as_of, false)
            AND l.generated_at <= clock_timestamp()
            AND l.model_version = p_run.model_version AS is_newer
        FROM public.recommendation_lists AS l
        WHERE
            l.user_id = ANY (p_user_ids)
            AND CASE
                WHEN p_run.is_full THEN coalesce(l.run_id < p_run.id, true)
                ELSE l.due_run_id = p_run.id
            END
        ORDER BY l.user_id
        FOR UPDATE SKIP LOCKED
    ) AS h;
END;
$$;

COMMENT ON FUNCTION recommender._lock_lists(
    public.recommendation_runs, integer[], boolean
) IS
'Locks the list headers of p_user_ids the run has not passed, in order of user_id, skipping locked ones unless p_wait; newer_ids are those whose list is of a later moment by the same model. NULL arrays: none.';
