-- Cuts the lists just written to their length and writes their headers.

CREATE OR REPLACE FUNCTION recommender._close_lists(
    p_run public.recommendation_runs, p_user_ids integer[], p_newer_ids integer[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_shortest integer;
BEGIN
    -- Every eligible event a student is not registered for is a candidate.
    UPDATE public.recommendation_lists AS l SET
        model_version = p_run.model_version,
        generated_at = p_run.as_of,
        run_id = p_run.id,
        item_count = CASE WHEN s.user_id IS NULL THEN 0 ELSE least(
            p_run.top_n,
            (SELECT count(*) FROM pg_temp.scoring_events) - (
                SELECT count(DISTINCT r.event_id)
                FROM recommender.source_registrations AS r
                INNER JOIN pg_temp.scoring_events AS e ON e.event_id = r.event_id
                WHERE r.user_id = l.user_id
            )
        ) END
    FROM unnest(p_user_ids) AS u (user_id)
    LEFT JOIN recommender.source_students AS s ON s.user_id = u.user_id
    WHERE l.user_id = u.user_id;
    UPDATE public.recommendation_lists AS l SET run_id = p_run.id
    WHERE l.user_id = ANY (p_newer_ids);
    -- The shortest list bounds the range of ranks, so that the key finds what is beyond.
    SELECT min(l.item_count) INTO v_shortest
    FROM public.recommendation_lists AS l WHERE l.user_id = ANY (p_user_ids);
    DELETE FROM public.user_recommendations AS r
    WHERE
        r.user_id = ANY (p_user_ids)
        AND r.rank > v_shortest
        AND r.rank > (
            SELECT l.item_count FROM public.recommendation_lists AS l
            WHERE l.user_id = r.user_id
        );
END;
$$;

COMMENT ON FUNCTION recommender._close_lists(
    public.recommendation_runs, integer[], integer[]
) IS
'Writes the headers of the lists a batch wrote (item_count = top_n, or all candidates if there are fewer), deletes the ranks beyond, and marks newer lists as passed.';
