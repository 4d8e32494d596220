-- Queues a job, unless one that means the same is queued already: then that one is as good.
--
-- Finding it locks it, changed or not. So a claim either comes before, and this is a new job, or
-- after this transaction's commit, and the job sees all that was committed with it.

CREATE OR REPLACE FUNCTION recommender.enqueue_job(
    p_job_type text,
    p_payload jsonb DEFAULT '{}',
    p_dedupe_key text DEFAULT NULL,
    p_run_at timestamptz DEFAULT now()
)
RETURNS public.background_jobs
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_payload jsonb := coalesce(p_payload, '{}');
    v_dedupe_key text := p_dedupe_key;
    v_job public.background_jobs;
BEGIN
    PERFORM recommender._check_job(p_job_type, v_payload);
    IF NOT isfinite(p_run_at) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER042',
            MESSAGE = format('a job cannot be due at %s', p_run_at),
            HINT = 'give a moment, or leave p_run_at out: now';
    END IF;
    IF length(p_dedupe_key) > 200 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER042',
            MESSAGE = format('the dedupe key has %s characters', length(p_dedupe_key)),
            HINT = 'it may have 200 at most';
    END IF;
    IF p_job_type = 'refresh_user_recommendations_ml' THEN
        -- Complete, so that two can be merged: the longer list serves both.
        v_dedupe_key := (v_payload ->> 'user_id')::numeric::integer::text;
        v_payload := jsonb_build_object(
            'user_id', v_dedupe_key::integer,
            'top_n', coalesce(
                (v_payload ->> 'top_n')::numeric::integer,
                (SELECT p.refresh_top_n FROM recommender.parameters AS p)
            ),
            'skip_training', true
        );
    ELSE
        -- 50.0 means what 50 means.
        SELECT coalesce(jsonb_object_agg(
            e.key,
            CASE jsonb_typeof(e.value)
                WHEN 'number' THEN to_jsonb(trim_scale((e.value #>> '{}')::numeric))
                ELSE e.value
            END
        ), '{}') INTO v_payload
        FROM jsonb_each(v_payload) AS e;
    END IF;
    INSERT INTO public.background_jobs AS j (
        job_type, dedupe_key, payload, max_attempts, run_at
    )
    VALUES (
        p_job_type,
        v_dedupe_key,
        v_payload,
        (SELECT p.max_attempt_count FROM recommender.parameters AS p),
        coalesce(p_run_at, now())
    )
    ON CONFLICT (
        job_type,
        dedupe_key,
        (
            CASE job_type
                WHEN 'refresh_user_recommendations_ml' THEN 0
                ELSE hashtextextended(payload::text, 0)
            END
        )
    ) WHERE status = 'queued' DO UPDATE SET
        run_at = least(j.run_at, excluded.run_at),
        payload = CASE
            WHEN recommender._list_length(j.payload) > recommender._list_length(excluded.payload)
                THEN j.payload
            ELSE excluded.payload
        END
    WHERE
        j.run_at > excluded.run_at
        OR recommender._list_length(j.payload) < recommender._list_length(excluded.payload)
    RETURNING * INTO v_job;
    IF NOT FOUND THEN
        SELECT q.* INTO v_job
        FROM public.background_jobs AS q
        WHERE
            q.status = 'queued'
            AND q.job_type = p_job_type
            AND q.dedupe_key = v_dedupe_key
            AND (
                p_job_type = 'refresh_user_recommendations_ml'
                OR q.payload::text = v_payload::text
            );
    ELSIF v_job.run_at <= now() THEN
        -- Commits with a NOTIFY pass one by one in the whole server. Where one has just been sent,
        -- and its job is still waiting, the workers are at it, and will look again.
        IF v_job.job_type <> 'refresh_user_recommendations_ml' OR NOT EXISTS (
            SELECT FROM public.background_jobs AS o
            WHERE
                o.status = 'queued'
                AND o.run_at BETWEEN now() - interval '50 milliseconds' AND now()
                AND o.job_type = v_job.job_type
                AND o.id <> v_job.id
        ) THEN
            PERFORM pg_notify('recommender_jobs', v_job.job_type);
        END IF;
    END IF;
    RETURN v_job;
END;
$$;

COMMENT ON FUNCTION recommender.enqueue_job(text, jsonb, text, timestamptz) IS
'Queues a job to run from p_run_at on, in the caller''s transaction, and returns its row; workers hear of it at the commit (NOTIFY recommender_jobs), of refreshes that come thick and fast only now and then: look again in 20 ms, 40 ms … after one. While a job of the same type, p_dedupe_key and payload is queued, that one is returned, moved forward if it was to run later. p_dedupe_key NULL: never merged. Refreshes are merged by student, whatever the key, and the longer top_n wins. What runs already is never merged into: it may have read the data before. Raises ER041 for an unknown type, ER042 for a payload it does not take, a key of more than 200 characters, or p_run_at infinite.';
