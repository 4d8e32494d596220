-- POST /api/admin/personalization/models/activate: another model at once, the lists by a job.

CREATE OR REPLACE FUNCTION recommender.request_activation(p_user_id integer, p_body jsonb)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
ROWS 1
AS $$
DECLARE
    v_version text := p_body ->> 'model_version';
    v_recomputes boolean := coalesce(p_body -> 'recompute' <> 'false', true);
    v_job public.background_jobs;
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, v_recomputes) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT r.*
    FROM recommender._refuse_body(
        p_body,
        'activate_model',
        ARRAY['model_version', 'recompute', 'top_n', 'reason'],
        'model_version'
    ) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM public.recommender_models AS m WHERE m.model_version = v_version
    ) THEN
        RETURN QUERY SELECT
            404, NULL::json,
            recommender._problem(404, 'Not Found', format('there is no model "%s"', v_version));
        RETURN;
    END IF;
    BEGIN
        PERFORM recommender.activate_model(
            v_version, p_body ->> 'reason', 'manual', 'user ' || p_user_id
        );
    EXCEPTION WHEN SQLSTATE 'ER012' OR SQLSTATE 'ER013' THEN
        RETURN QUERY SELECT
            409, NULL::json, recommender._problem(409, 'Conflict', SQLERRM || ', so it cannot score');
        RETURN;
    END;
    IF v_recomputes THEN
        v_job := recommender.enqueue_job(
            'recompute_recommendations_ml',
            jsonb_build_object(
                'skip_training', true,
                'top_n', coalesce(
                    (p_body ->> 'top_n')::numeric::integer,
                    (SELECT p.refresh_top_n FROM recommender.parameters AS p)
                )
            ),
            'all'
        );
    END IF;
    RETURN QUERY SELECT
        200, NULL::json,
        json_build_object(
            'active_model_version', v_version, 'recompute_job', recommender._job_answer(v_job)
        );
END;
$$;

COMMENT ON FUNCTION recommender.request_activation(integer, jsonb) IS
'The answer of POST /api/admin/personalization/models/activate for an account (NULL: no token): 200 with active_model_version and recompute_job (null with recompute false), else 401, 403, 404 for an unknown model, 409 for a model that cannot score, or while the queue is off and a job is needed, 422. One row.';
