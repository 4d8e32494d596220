-- GET /api/demo/list: whether a student's list has changed. Pages poll it: keys and indexes only.

CREATE OR REPLACE FUNCTION recommender.get_demo_list(p_user_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
    v_list public.recommendation_lists;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, 'student') AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT l.* INTO v_list FROM public.recommendation_lists AS l WHERE l.user_id = p_user_id;
    RETURN QUERY SELECT
        200,
        NULL::json,
        json_build_object(
            'model_version', v_list.model_version,
            'generated_at', v_list.generated_at,
            'item_count', coalesce(v_list.item_count, 0),
            'is_refreshing', EXISTS (
                SELECT FROM public.background_jobs AS q
                WHERE
                    q.status = 'queued'
                    AND q.job_type = 'refresh_user_recommendations_ml'
                    AND q.dedupe_key = p_user_id::text
            ) OR EXISTS (
                SELECT FROM public.background_jobs AS r
                WHERE
                    r.status = 'running'
                    AND r.job_type = 'refresh_user_recommendations_ml'
                    AND r.dedupe_key = p_user_id::text
            )
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_demo_list(integer) IS
'Demo only: 200 with model_version, generated_at (NULL: no list was written yet), item_count and is_refreshing (a refresh of this list is queued, also one that is postponed, or running), 401 or 403 for an account that may not. One row.';
