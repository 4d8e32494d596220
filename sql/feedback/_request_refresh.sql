-- Asks for a refresh of a student's list if a batch has a signal worth one.

CREATE OR REPLACE FUNCTION recommender._request_refresh(
    p_user_id integer, p_types text[], p_metas jsonb[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_interval interval;
    v_top_n integer;
    v_generated_at timestamptz;
    v_run_at timestamptz := now();
    v_has_signal boolean := p_types && ARRAY[
        'click', 'view', 'share', 'favorite', 'register', 'unregister', 'search', 'filter'
    ];
BEGIN
    -- The dearer questions come last: most batches hold impressions only.
    IF NOT v_has_signal AND p_types && ARRAY['dwell'] THEN
        v_has_signal := EXISTS (
            SELECT
            FROM unnest(p_types, p_metas) AS i (interaction_type, meta)
            WHERE
                i.interaction_type = 'dwell'
                AND recommender._learning_delta(
                    'dwell', i.meta,
                    (SELECT p.dwell_threshold_seconds FROM recommender.parameters AS p)
                ) > 0
        );
    END IF;
    IF NOT v_has_signal OR NOT (
        SELECT p.queue_enabled AND p.use_ml_cache AND p.refresh_enabled
        FROM recommender.parameters AS p
    ) OR NOT EXISTS (
        -- None at all, or not the one that is pinned: each job would fail.
        SELECT FROM public.recommender_models AS m
        WHERE coalesce(
            m.model_version = (SELECT p.model_version FROM recommender.parameters AS p), true
        )
    ) THEN
        RETURN;
    END IF;
    SELECT p.refresh_interval_seconds * interval '1 second', p.refresh_top_n
    INTO v_interval, v_top_n
    FROM recommender.parameters AS p;
    IF v_interval > interval '0' THEN
        SELECT l.generated_at INTO v_generated_at
        FROM public.recommendation_lists AS l WHERE l.user_id = p_user_id;
        -- A list that is being written is as young as can be.
        IF EXISTS (
            SELECT FROM public.background_jobs AS j
            WHERE
                j.status = 'running'
                AND j.job_type = 'refresh_user_recommendations_ml'
                AND j.dedupe_key = p_user_id::text
        ) THEN
            v_generated_at := recommender.as_of();
        END IF;
        IF v_generated_at <= recommender.as_of() THEN
            v_run_at := greatest(
                v_run_at, v_run_at + (v_generated_at + v_interval - recommender.as_of())
            );
        END IF;
    END IF;
    -- Mostly an earlier signal has asked already; locked, its job is not claimed before the commit.
    PERFORM FROM public.background_jobs AS j
    WHERE
        j.status = 'queued'
        AND j.job_type = 'refresh_user_recommendations_ml'
        AND j.dedupe_key = p_user_id::text
        AND j.run_at <= v_run_at
        AND (j.payload ->> 'top_n')::integer >= v_top_n
    FOR UPDATE;
    IF FOUND THEN
        RETURN;
    END IF;
    PERFORM recommender.enqueue_job(
        'refresh_user_recommendations_ml',
        jsonb_build_object('user_id', p_user_id, 'top_n', v_top_n, 'skip_training', true),
        p_user_id::text,
        v_run_at
    );
END;
$$;

COMMENT ON FUNCTION recommender._request_refresh(integer, text[], jsonb[]) IS
'Enqueues refresh_user_recommendations_ml for a student when queue, lists and refreshes are switched on, there is a model, and the interactions hold a click, view, share, favorite, register, unregister, search, filter or a dwell from its threshold on: now, or once the list is RECOMMENDATIONS_REALTIME_REFRESH_MIN_INTERVAL_SECONDS old.';
