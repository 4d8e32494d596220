-- GET /api/admin/personalization/status: what is switched on, and how the recommender does.

CREATE OR REPLACE FUNCTION recommender.get_admin_status(p_user_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, false) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object(
            'task_queue_enabled',
            recommender._switch('task_queue_enabled'),
            'recommendations_realtime_refresh_enabled',
            recommender._switch('recommendations_realtime_refresh_enabled'),
            'recommendations_online_learning_enabled',
            recommender._switch('recommendations_online_learning_enabled'),
            'recommendations_use_ml_cache',
            recommender._switch('recommendations_use_ml_cache'),
            'personalization_guardrails_enabled',
            recommender._switch('personalization_guardrails_enabled'),
            'experiments_personalization_ml_percent', (
                SELECT CASE WHEN s.is_valid THEN s.value::integer END
                FROM recommender.settings AS s
                WHERE s.name = 'experiments_personalization_ml_percent'
            ),
            'active_model_version', m.model_version,
            'active_model_created_at', m.created_at,
            'last_guardrail', (
                SELECT json_build_object(
                    'evaluated_at', g.evaluated_at, 'action', g.action, 'reason', g.reason
                )
                FROM recommender.guardrails AS g
                ORDER BY g.evaluation_id DESC
                LIMIT 1
            ),
            'warnings', (
                SELECT coalesce(json_agg(concat_ws(': ', s.item, s.warning)), '[]')
                FROM recommender.status AS s
                WHERE s.warning IS NOT NULL
            )
        )
    FROM (SELECT) AS o
    LEFT JOIN public.recommender_models AS m ON m.is_active;
END;
$$;

COMMENT ON FUNCTION recommender.get_admin_status(integer) IS
'The answer of GET /api/admin/personalization/status for an account (NULL: no token): 200 with the switches (null: its setting is not valid, and a warning says so), the active model (null: none), the last guardrail evaluation (null: none) and the warnings of recommender.status; else 401 or 403. One row.';
