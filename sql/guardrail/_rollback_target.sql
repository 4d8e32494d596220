-- The model a rollback goes back to: the one that was active before, unless that was rolled back.

CREATE OR REPLACE FUNCTION recommender._rollback_target(p_model_version text)
RETURNS text
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT a.model_version
    FROM public.model_activations AS a
    INNER JOIN public.recommender_models AS m ON m.model_version = a.model_version
    WHERE
        a.model_version <> _rollback_target.p_model_version
        AND recommender.feature_set(m.feature_names) IS NOT NULL
        AND recommender._weights_are_usable(m.feature_names, m.weights)
        -- What a guardrail took away comes back by hand only.
        AND NOT EXISTS (
            SELECT
            FROM public.model_activations AS r
            WHERE
                r.kind = 'rollback'
                AND r.previous_version = a.model_version
                AND r.id > a.id
        )
    ORDER BY a.id DESC
    LIMIT 1;
END;

COMMENT ON FUNCTION recommender._rollback_target(text) IS
'The model that was active last before p_model_version, still there, usable, and not rolled back since it was last activated; NULL: there is none.';
