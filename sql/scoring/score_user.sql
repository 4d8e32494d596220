-- Writes one student's list; waits for whoever is writing it now.

CREATE OR REPLACE FUNCTION recommender.score_user(
    p_user_id integer, p_top_n integer DEFAULT 50, p_overwrite boolean DEFAULT false
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_generated_at timestamptz := v_as_of;
    v_model_version text;
    v_list public.recommendation_lists;
    v_item_count integer;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(recommender._lock_key('model'));
    v_model_version := (recommender.current_model()).model_version;
    INSERT INTO public.recommendation_lists (user_id)
    SELECT s.user_id FROM recommender.source_students AS s WHERE s.user_id = p_user_id
    ON CONFLICT (user_id) DO NOTHING;
    SELECT l.* INTO v_list
    FROM public.recommendation_lists AS l WHERE l.user_id = p_user_id
    FOR UPDATE;
    IF NOT p_overwrite THEN
        PERFORM recommender.refuse_newer_lists(v_as_of, p_user_id);
        IF v_list.generated_at BETWEEN v_as_of AND clock_timestamp() THEN
            -- Written since this transaction began; what follows reads what is committed by now.
            v_generated_at := v_list.generated_at;
        END IF;
    END IF;

    INSERT INTO public.user_recommendations (
        user_id, rank, event_id, score, model_version, generated_at, reason
    )
    SELECT p_user_id, k.rank, k.event_id, k.score, v_model_version, v_generated_at, k.reason
    FROM recommender.rank_events(p_user_id, p_top_n) AS k
    ORDER BY k.rank
    ON CONFLICT (user_id, rank) DO UPDATE SET
        event_id = excluded.event_id,
        score = excluded.score,
        model_version = excluded.model_version,
        generated_at = excluded.generated_at,
        reason = excluded.reason;
    GET DIAGNOSTICS v_item_count = ROW_COUNT;
    DELETE FROM public.user_recommendations AS r
    WHERE r.user_id = p_user_id AND r.rank > v_item_count;
    UPDATE public.recommendation_lists AS l SET
        model_version = v_model_version,
        generated_at = v_generated_at,
        item_count = v_item_count,
        -- Made from the plain views, of which there is no fingerprint.
        fingerprint = NULL,
        language = recommender.choose_language(
            (SELECT s.language FROM recommender.source_students AS s WHERE s.user_id = p_user_id)
        )
    WHERE l.user_id = p_user_id;
    RETURN v_item_count;
END;
$$;

COMMENT ON FUNCTION recommender.score_user(integer, integer, boolean) IS
'Writes one student''s list as recommender.rank_events ranks it at recommender.as_of(), in the caller''s transaction: readers see the old list or the new one. Returns the number of events in it. A list of a later moment is not replaced (ER030) unless p_overwrite. Raises as recommender.rank_events.';
