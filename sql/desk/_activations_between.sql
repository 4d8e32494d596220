-- The changes of the active model in a span of time.

CREATE OR REPLACE FUNCTION recommender._activations_between(p_from timestamptz, p_to timestamptz)
RETURNS json
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT coalesce(json_agg(a ORDER BY a.activated_at, a.activation_id), '[]')
    FROM (
        SELECT
            m.id AS activation_id,
            m.activated_at,
            m.model_version,
            m.previous_version,
            m.kind,
            m.reason,
            m.activated_by
        FROM public.model_activations AS m
        WHERE m.activated_at BETWEEN p_from AND p_to
        ORDER BY m.id DESC
        LIMIT 500
    ) AS a;
END;

COMMENT ON FUNCTION recommender._activations_between(timestamptz, timestamptz) IS
'An array of the changes of the active model from p_from to p_to (both inclusive), the earliest first, and of more than 500 the last: activation_id, activated_at, model_version, previous_version (null: none), kind (training, manual, rollback), reason (null: none) and activated_by.';
