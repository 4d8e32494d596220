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
    -- The lengths come from the very rows that were written: counted by the source views, they
    -- could be those of newer registrations.
    WITH lengths AS (
        SELECT
            k.profile_id,
            count(*)::integer AS item_count
        FROM pg_temp.scoring_ranks AS k
        GROUP BY k.profile_id
    )

    UPDATE public.recommendation_lists AS l SET
        model_version = p_run.model_version,
        generated_at = p_run.as_of,
        run_id = p_run.id,
        item_count = coalesce(n.item_count, 0),
        language = coalesce(s.language, 'en'),
        fingerprint = s.fingerprint,
        due_run_id = NULL
    FROM unnest(p_user_ids) AS u (user_id)
    LEFT JOIN pg_temp.scoring_students AS s ON s.user_id = u.user_id
    LEFT JOIN lengths AS n ON n.profile_id = s.profile_id
    WHERE l.user_id = u.user_id;
    -- What a list of a later moment was made from, nobody compared with what this run knows.
    UPDATE public.recommendation_lists AS l SET
        run_id = p_run.id,
        fingerprint = NULL,
        due_run_id = NULL
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
'Writes the headers of the lists p_user_ids of a batch (item_count from scoring_ranks, 0 for those without rows), notes the fingerprints they were made from, deletes the ranks beyond, and marks the lists p_newer_ids as passed.';
