-- Closes a bulk rescore: lists of people who are no longer students go.

CREATE OR REPLACE FUNCTION recommender.finish_run(p_run_id bigint)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_removed integer;
BEGIN
    DELETE FROM public.user_recommendations AS r
    WHERE NOT EXISTS (
        SELECT FROM recommender.source_students AS s WHERE s.user_id = r.user_id
    );
    DELETE FROM public.recommendation_lists AS l
    WHERE NOT EXISTS (
        SELECT FROM recommender.source_students AS s WHERE s.user_id = l.user_id
    );
    GET DIAGNOSTICS v_removed = ROW_COUNT;
    UPDATE public.recommendation_runs AS r SET finished_at = clock_timestamp()
    WHERE r.id = p_run_id;
    RETURN v_removed;
END;
$$;

COMMENT ON FUNCTION recommender.finish_run(bigint) IS
'Marks a run finished and removes the lists of users who are not students any more; returns how many those were.';
