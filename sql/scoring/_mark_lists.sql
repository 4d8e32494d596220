-- Gives students to a run of some, in order of user_id as all writers of headers.

CREATE OR REPLACE FUNCTION recommender._mark_lists(p_run_id bigint, p_user_ids integer[])
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_due_count integer;
BEGIN
    PERFORM FROM public.recommendation_lists AS l
    WHERE l.user_id = ANY (p_user_ids)
    ORDER BY l.user_id
    FOR NO KEY UPDATE;
    UPDATE public.recommendation_lists AS l SET due_run_id = p_run_id
    WHERE l.user_id = ANY (p_user_ids);
    GET DIAGNOSTICS v_due_count = ROW_COUNT;
    UPDATE public.recommendation_runs AS r SET due_count = v_due_count WHERE r.id = p_run_id;
    RETURN v_due_count;
END;
$$;

COMMENT ON FUNCTION recommender._mark_lists(bigint, integer[]) IS
'Marks the headers of p_user_ids as due in a run, which takes them over from any other, and notes how many there are; ids without a header are left out.';
