-- Closes a bulk rescore: lists of people who are no longer students go.

CREATE OR REPLACE FUNCTION recommender.finish_run(p_run_id bigint)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_is_full boolean := (
        SELECT r.is_full FROM public.recommendation_runs AS r WHERE r.id = p_run_id
    );
    v_removed_ids integer[];
BEGIN
    WITH removed AS (
        DELETE FROM public.recommendation_lists AS l
        WHERE NOT EXISTS (
            SELECT FROM recommender.source_students AS s WHERE s.user_id = l.user_id
        )
        RETURNING l.user_id
    )

    SELECT array_agg(d.user_id) INTO v_removed_ids FROM removed AS d;
    DELETE FROM public.user_recommendations AS r WHERE r.user_id = ANY (v_removed_ids);
    IF v_is_full THEN
        -- Rows without a header, too.
        DELETE FROM public.user_recommendations AS r
        WHERE NOT EXISTS (
            SELECT FROM recommender.source_students AS s WHERE s.user_id = r.user_id
        );
    END IF;
    UPDATE public.recommendation_runs AS r SET finished_at = clock_timestamp()
    WHERE r.id = p_run_id;
    RETURN coalesce(cardinality(v_removed_ids), 0);
END;
$$;

COMMENT ON FUNCTION recommender.finish_run(bigint) IS
'Marks a run finished and removes the lists of users who are not students any more; returns how many those were.';
