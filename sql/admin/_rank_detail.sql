-- Which rank an event has in a student's list, or would have in one written now.

CREATE OR REPLACE FUNCTION recommender._rank_detail(p_user_id integer, p_event_id integer)
RETURNS text
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_model public.recommender_models;
    v_listed text := (
        SELECT coalesce(
            'rank ' || r.rank || ' of the ' || l.item_count || ' in the list',
            'not among the ' || l.item_count || ' in the list'
        )
        FROM public.recommendation_lists AS l
        LEFT JOIN public.user_recommendations AS r
            ON r.user_id = l.user_id AND r.event_id = p_event_id
        WHERE l.user_id = p_user_id AND l.generated_at IS NOT NULL
    );
    v_sort_key double precision;
    v_rank bigint;
BEGIN
    BEGIN
        v_model := recommender.current_model();
    EXCEPTION
        WHEN SQLSTATE 'ER010' OR SQLSTATE 'ER011' OR SQLSTATE 'ER012' OR SQLSTATE 'ER013' THEN
            RETURN coalesce(v_listed || '; ', '') || SQLERRM;
    END;
    IF NOT EXISTS (SELECT FROM recommender.source_events AS e WHERE e.event_id = p_event_id) THEN
        RETURN coalesce(v_listed || '; ', '') || 'what is deleted has no rank';
    END IF;
    -- The same for all events, what is the student's alone changes no rank.
    SELECT recommender.sort_key(sum(x.value * x.weight)) INTO v_sort_key
    FROM unnest(
        v_model.feature_names,
        recommender._pair_values(p_user_id, p_event_id, v_model.feature_names),
        v_model.weights
    ) AS x (feature, value, weight)
    WHERE recommender.feature_kind(x.feature) <> 'student';
    SELECT
        coalesce(
            max(a.rank) FILTER (WHERE a.event_id = p_event_id),
            1 + count(*) FILTER (
                WHERE recommender.sort_key(a.event_logit) > v_sort_key
                    OR (
                        recommender.sort_key(a.event_logit) = v_sort_key
                        AND a.event_id < p_event_id
                    )
            )
        )
    INTO v_rank
    FROM recommender._rank_all(
        p_user_id, v_model.feature_names, v_model.weights
    ) AS a;
    RETURN coalesce(v_listed || '; ', '') || format(
        'written now, model %s would rank it %s', v_model.model_version, v_rank
    );
END;
$$;

COMMENT ON FUNCTION recommender._rank_detail(integer, integer) IS
'One sentence: the rank an event has in the student''s stored list, if there is one, and the rank recommender.current_model() would give it now among what may be shown, counting itself; or why there is no model to ask.';
