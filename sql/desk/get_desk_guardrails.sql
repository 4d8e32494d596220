-- GET /api/admin/personalization/guardrails: their settings, and what they decided.

CREATE OR REPLACE FUNCTION recommender.get_desk_guardrails(p_user_id integer)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
SET jit = 'off'
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
            'settings', (
                SELECT json_object_agg(
                    n.name, recommender._desk_setting('personalization_guardrails_' || n.name)
                    ORDER BY n.place
                )
                FROM unnest(ARRAY[
                    'enabled', 'method', 'days', 'min_impressions', 'ctr_drop_ratio',
                    'conversion_drop_ratio', 'click_to_register_window_hours', 'cooldown_hours'
                ]) WITH ORDINALITY AS n (name, place)
            ),
            'evidence_from', (SELECT e.evidence_from FROM recommender.active_evidence AS e),
            'items', (
                SELECT coalesce(
                    json_agg(recommender._evaluation_answer(e) ORDER BY e.id DESC), '[]'
                )
                FROM (
                    SELECT g.*
                    FROM public.guardrail_evaluations AS g
                    ORDER BY g.id DESC
                    LIMIT 100
                ) AS e
            )
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_desk_guardrails(integer) IS
'The answer of GET /api/admin/personalization/guardrails for an account (NULL: no token): 200 with settings (null: a value that is not valid), evidence_from (from when on traffic counts against the active model; null: always), and items, the newest hundred evaluations as recommender._evaluation_answer has them; else 401 or 403. One row.';
