-- GET /api/admin/personalization/models: what each model learned, how good it was, and its use.

CREATE OR REPLACE FUNCTION recommender.get_desk_models(p_user_id integer)
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
        json_build_object('items', coalesce(
            json_agg(
                json_build_object(
                    'model_version', m.model_version,
                    'is_active', m.is_active,
                    'can_activate', f.fault IS NULL,
                    'trouble', f.fault,
                    'created_at', m.created_at,
                    'feature_set', recommender.feature_set(s.feature_names),
                    'loss', m.loss,
                    'held_out_loss', m.held_out_loss,
                    'hitrate_at_10', m.hitrate_at_10,
                    'chance_at_10', m.chance_at_10,
                    'example_count', m.example_count,
                    'against_popularity',
                    CASE WHEN jsonb_typeof(s.meta -> 'against_popularity') = 'object'
                        THEN s.meta -> 'against_popularity'
                    END,
                    'recipe', CASE WHEN jsonb_typeof(s.meta) = 'object' THEN s.meta - ARRAY[
                        'loss', 'held_out_loss', 'hitrate_at_10', 'chance_at_10',
                        'standard_errors', 'against_popularity'
                    ] END,
                    'features', recommender._model_features(s, m.previous_weights),
                    'activation', CASE WHEN m.activated_at IS NOT NULL THEN json_build_object(
                        'activated_at', m.activated_at,
                        'activated_by', m.activated_by,
                        'kind', m.activation_kind,
                        'reason', m.activation_reason,
                        'previous_version', m.previous_version
                    ) END,
                    'activation_count', (
                        SELECT count(*) FROM public.model_activations AS a
                        WHERE a.model_version = m.model_version
                    )
                )
                ORDER BY s.id DESC
            ),
            '[]'
        ))
    FROM recommender.models AS m
    INNER JOIN public.recommender_models AS s ON s.model_version = m.model_version
    CROSS JOIN LATERAL (SELECT recommender._model_fault(s) AS fault) AS f
    WHERE
        s.is_active
        OR s.id IN (
            SELECT n.id FROM public.recommender_models AS n ORDER BY n.id DESC LIMIT 100
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_desk_models(integer) IS
'The answer of GET /api/admin/personalization/models for an account (NULL: no token): 200 with items, the 100 newest models and the active one, the newest first: what recommender.models says, whether recommender.activate_model would take it (can_activate) and else why not (trouble), its set of features (null: none of this version''s), against_popularity and recipe (the rest of its meta; null: nothing noted), features (recommender._model_features, beside the model before its last activation), the last activation (null: none) and activation_count; else 401 or 403. One row.';
