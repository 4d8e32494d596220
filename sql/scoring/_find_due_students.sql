-- Finds the students whose list a rescore would change.
--
-- Too many do no harm, one too few would: whoever is left out keeps the list.

CREATE OR REPLACE FUNCTION recommender._find_due_students(
    p_run public.recommendation_runs, p_full_as_of timestamptz
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
AS $$
DECLARE
    v_is_exact boolean := p_run.as_of = p_full_as_of;
    v_model public.recommender_models;
    v_due_count integer;
BEGIN
    SELECT m.* INTO STRICT v_model
    FROM public.recommender_models AS m WHERE m.model_version = p_run.model_version;
    DROP TABLE IF EXISTS pg_temp.scoring_due, pg_temp.scoring_ends;
    -- Of the student: changed, never written, or written on another basis.
    CREATE TEMPORARY TABLE scoring_due ON COMMIT DROP AS
    SELECT l.user_id
    FROM public.recommendation_lists AS l
    LEFT JOIN recommender.user_profiles_snapshot AS p ON p.user_id = l.user_id
    LEFT JOIN public.recommendation_runs AS r ON r.id = l.run_id
    WHERE
        l.due_run_id IS NOT NULL
        OR (p.fingerprint = l.fingerprint) IS NOT TRUE
        OR (l.model_version = p_run.model_version) IS NOT TRUE
        OR (r.top_n = p_run.top_n) IS NOT TRUE
        OR (r.basis_hash = p_run.basis_hash) IS NOT TRUE
        OR (l.generated_at >= p_full_as_of) IS NOT TRUE
        OR v_is_exact AND l.generated_at <> p_run.as_of;
    -- Of the events in the list: one is gone, or not what it was.
    INSERT INTO pg_temp.scoring_due (user_id)
    SELECT DISTINCT r.user_id
    FROM public.user_recommendations AS r
    WHERE r.event_id IN (SELECT c.event_id FROM pg_temp.scoring_changes AS c WHERE c.is_changed);
    CREATE INDEX ON pg_temp.scoring_due (user_id);
    ANALYZE pg_temp.scoring_due;
    -- Of the events not in the list: one may enter.
    CREATE TEMPORARY TABLE scoring_ends ON COMMIT DROP AS
    SELECT
        l.user_id,
        l.generated_at,
        coalesce(o.logit, 0) AS own_logit,
        -- Scores that are rounded to the same place of a list are apart by less. A list that is
        -- not full takes anything.
        CASE WHEN l.item_count < p_run.top_n THEN 0 ELSE r.score * (1 - 1e-8) END AS end_score
    FROM public.recommendation_lists AS l
    LEFT JOIN public.user_recommendations AS r
        ON r.user_id = l.user_id AND r.rank = l.item_count
    LEFT JOIN recommender._own_logits(v_model) AS o ON o.user_id = l.user_id
    WHERE NOT EXISTS (SELECT FROM pg_temp.scoring_due AS d WHERE d.user_id = l.user_id);
    ANALYZE pg_temp.scoring_ends;
    PERFORM recommender._find_entered_lists(p_run);
    SELECT count(DISTINCT d.user_id) INTO v_due_count FROM pg_temp.scoring_due AS d;
    RETURN v_due_count;
END;
$$;

COMMENT ON FUNCTION recommender._find_due_students(
    public.recommendation_runs, timestamptz
) IS
'Fills pg_temp.scoring_due for this transaction with the students who are due (some of them twice), and returns how many: their fingerprint, model, length or basis is another, the list was never written, is of a moment before p_full_as_of (at that very moment: of another), or has to be written by a run that has not; or an event of scoring_changes that has changed is in the list or may enter it.';
