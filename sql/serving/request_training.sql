-- POST /api/admin/personalization/retrain: a training as a job.

CREATE OR REPLACE FUNCTION recommender.request_training(p_user_id integer, p_body jsonb)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
ROWS 1
AS $$
DECLARE
    v_job_type text := 'recompute_recommendations_ml';
    v_keys text[] := ARRAY['top_n', 'epochs', 'lr', 'l2', 'seed', 'model_version', 'force'];
    v_rival_id bigint;
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, true) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT r.* FROM recommender._refuse_body(p_body, v_job_type, v_keys) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    IF EXISTS (
        SELECT FROM public.recommender_models AS m
        WHERE m.model_version = p_body ->> 'model_version'
    ) THEN
        RETURN QUERY SELECT
            409, NULL::json,
            recommender._problem(409, 'Conflict', format(
                'model "%s" exists already: give another model_version, or none',
                p_body ->> 'model_version'
            ));
        RETURN;
    END IF;
    -- The same training asked for again while it waits is the same job.
    SELECT min(j.id) INTO v_rival_id
    FROM public.background_jobs AS j
    WHERE
        j.status IN ('queued', 'running')
        AND j.job_type = v_job_type
        AND j.payload ->> 'model_version' = p_body ->> 'model_version'
        AND (j.status = 'running' OR j.payload <> jsonb_strip_nulls(p_body));
    IF v_rival_id IS NOT NULL THEN
        RETURN QUERY SELECT
            409, NULL::json,
            recommender._problem(409, 'Conflict', format(
                'job %s trains model "%s" already: give another model_version, or none',
                v_rival_id, p_body ->> 'model_version'
            ));
        RETURN;
    END IF;
    RETURN QUERY SELECT
        201, NULL::json,
        recommender._job_answer(
            recommender.enqueue_job(v_job_type, jsonb_strip_nulls(p_body), 'all')
        );
END;
$$;

COMMENT ON FUNCTION recommender.request_training(integer, jsonb) IS
'The answer of POST /api/admin/personalization/retrain for an account (NULL: no token): 201 with job_id, job_type and status, else 401, 403, 409 while the queue is off or the model_version is taken, by a model or by another training that is queued or runs, 422. One row.';
