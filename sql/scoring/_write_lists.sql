-- Writes the rows of the lists of a batch, over those that are there.
--
-- Most ranks exist: an UPDATE finds them at half the cost of INSERT … ON CONFLICT, and writes into
-- the page they are in. The rest is inserted. The key is the way in whatever the statistics say: a
-- plan made while the table was empty must do when it is full.

CREATE OR REPLACE FUNCTION recommender._write_lists(
    p_user_ids integer[], p_model_version text, p_as_of timestamptz
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET plan_cache_mode = 'force_generic_plan'
SET enable_seqscan = 'off'
SET enable_nestloop = 'off'
SET jit = 'off'
AS $$
DECLARE
    v_updated integer;
    v_row_count integer := (
        SELECT count(*)
        FROM pg_temp.scoring_students AS s
        INNER JOIN pg_temp.scoring_ranks AS k ON k.profile_id = s.profile_id
    );
BEGIN
    UPDATE public.user_recommendations AS r SET
        event_id = k.event_id,
        score = k.score,
        model_version = p_model_version,
        generated_at = p_as_of,
        reason = coalesce(w.reason, s.generic_reason)
    FROM pg_temp.scoring_students AS s
    INNER JOIN pg_temp.scoring_ranks AS k ON k.profile_id = s.profile_id
    LEFT JOIN pg_temp.scoring_words AS w
        ON w.profile_id = k.profile_id AND w.rank = k.rank
    WHERE r.user_id = ANY (p_user_ids) AND r.user_id = s.user_id AND r.rank = k.rank;
    GET DIAGNOSTICS v_updated = ROW_COUNT;
    IF v_updated < v_row_count THEN
        INSERT INTO public.user_recommendations (
            user_id, rank, event_id, score, model_version, generated_at, reason
        )
        SELECT
            s.user_id, k.rank, k.event_id, k.score, p_model_version, p_as_of,
            coalesce(w.reason, s.generic_reason)
        FROM pg_temp.scoring_students AS s
        INNER JOIN pg_temp.scoring_ranks AS k ON k.profile_id = s.profile_id
        LEFT JOIN pg_temp.scoring_words AS w
            ON w.profile_id = k.profile_id AND w.rank = k.rank
        ORDER BY s.user_id, k.rank
        ON CONFLICT (user_id, rank) DO NOTHING;
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._write_lists(integer[], text, timestamptz) IS
'Writes scoring_ranks with the reasons of scoring_words into user_recommendations for the students of scoring_students, who are p_user_ids and whose headers the caller has locked. Ranks beyond the end of a list stay: recommender._close_lists deletes them.';
