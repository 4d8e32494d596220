-- POST /api/admin/personalization/guardrails/evaluate: an evaluation as a job.

CREATE OR REPLACE FUNCTION recommender.request_guardrails(p_user_id integer, p_body jsonb)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
ROWS 1
AS $$
DECLARE
    v_job_type text := 'evaluate_personalization_guardrails';
    v_keys text[] := ARRAY[
        'days', 'min_impressions', 'ctr_drop_ratio', 'conversion_drop_ratio',
        'click_to_register_window_hours'
    ];
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, true) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT r.* FROM recommender._refuse_body(p_body, v_job_type, v_keys) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT
        201, NULL::json,
        recommender._job_answer(
            recommender.enqueue_job(v_job_type, jsonb_strip_nulls(p_body), 'all')
        );
END;
$$;

COMMENT ON FUNCTION recommender.request_guardrails(integer, jsonb) IS
'The answer of POST /api/admin/personalization/guardrails/evaluate for an account (NULL: no token): 201 with job_id, job_type and status, else 401, 403, 409 while the queue is off, 422. One row.';
