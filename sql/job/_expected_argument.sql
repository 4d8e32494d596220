-- What a job expects of one key of its payload: NULL if the value will do.

CREATE OR REPLACE FUNCTION recommender._expected_argument(
    p_job_type text, p_key text, p_value jsonb
)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
AS $$
DECLARE
    v_argument record;
BEGIN
    SELECT a.* INTO v_argument
    FROM (
        VALUES
        ('refresh_user_recommendations_ml', 'user_id', 'integer', 1, 2147483647, NULL::text[]),
        ('refresh_user_recommendations_ml', 'top_n', 'integer', 1, 10000, NULL),
        ('refresh_user_recommendations_ml', 'skip_training', 'boolean', NULL, NULL, '{true}'),
        ('recompute_recommendations_ml', 'skip_training', 'boolean', NULL, NULL, '{true,false}'),
        ('recompute_recommendations_ml', 'top_n', 'integer', 1, 10000, NULL),
        ('rescore_changed', 'top_n', 'integer', 1, 10000, NULL),
        ('recompute_recommendations_ml', 'epochs', 'integer', 1, 10000, NULL),
        ('recompute_recommendations_ml', 'lr', 'number', 1e-9, 1e3, NULL),
        ('recompute_recommendations_ml', 'l2', 'number', 0, 1e6, NULL),
        ('recompute_recommendations_ml', 'seed', 'integer', 0, 9007199254740991, NULL),
        ('recompute_recommendations_ml', 'negatives_per_positive', 'integer', 0, 100, NULL),
        ('recompute_recommendations_ml', 'eval_negatives', 'integer', 0, 10000, NULL),
        ('recompute_recommendations_ml', 'solver', 'text', NULL, NULL, '{sgd,newton}'),
        ('recompute_recommendations_ml', 'history', 'text', NULL, NULL, '{leave-one-out,all}'),
        ('recompute_recommendations_ml', 'recipe', 'text', NULL, NULL, '{auto,windows,reference}'),
        ('recompute_recommendations_ml', 'feature_set', 'text', NULL, NULL, '{site,base,extended}'),
        ('recompute_recommendations_ml', 'windows', 'integer', 1, 1000, NULL),
        ('recompute_recommendations_ml', 'window_days', 'integer', 1, 365, NULL),
        ('recompute_recommendations_ml', 'penalty', 'text', NULL, NULL, '{auto,plain,standardized}'),
        ('recompute_recommendations_ml', 'model_version', 'text', NULL, NULL, NULL),
        ('recompute_recommendations_ml', 'force', 'boolean', NULL, NULL, '{true,false}'),
        -- Not a job: what the API takes when a model is activated.
        ('activate_model', 'model_version', 'text', NULL, NULL, NULL),
        ('activate_model', 'recompute', 'boolean', NULL, NULL, '{true,false}'),
        ('activate_model', 'top_n', 'integer', 1, 10000, NULL),
        ('activate_model', 'reason', 'text', NULL, NULL, NULL),
        ('evaluate_personalization_guardrails', 'days', 'integer', 1, 365, NULL),
        ('evaluate_personalization_guardrails', 'min_impressions', 'integer', 1, 1e9, NULL),
        ('evaluate_personalization_guardrails', 'ctr_drop_ratio', 'number', 0, 1, NULL),
        ('evaluate_personalization_guardrails', 'conversion_drop_ratio', 'number', 0, 1, NULL),
        (
            'evaluate_personalization_guardrails', 'click_to_register_window_hours', 'integer',
            1, 8760, NULL
        )
    ) AS a (job_type, key, value_type, min_value, max_value, choices)
    WHERE a.job_type = p_job_type AND a.key = p_key;
    IF NOT FOUND THEN
        RETURN 'no key of this name';
    ELSIF v_argument.value_type IN ('integer', 'number') THEN
        IF jsonb_typeof(p_value) = 'number' THEN
            IF
                (p_value #>> '{}')::numeric BETWEEN v_argument.min_value AND v_argument.max_value
                AND (
                    v_argument.value_type = 'number'
                    OR (p_value #>> '{}')::numeric = trunc((p_value #>> '{}')::numeric)
                )
            THEN
                RETURN NULL;
            END IF;
        END IF;
        RETURN format(
            '%s %s from %s to %s',
            CASE v_argument.value_type WHEN 'integer' THEN 'an' ELSE 'a' END,
            v_argument.value_type, v_argument.min_value, v_argument.max_value
        );
    ELSIF v_argument.choices IS NOT NULL THEN
        IF
            p_value #>> '{}' = ANY (v_argument.choices)
            AND (jsonb_typeof(p_value) = 'boolean') = (v_argument.value_type = 'boolean')
        THEN
            RETURN NULL;
        END IF;
        RETURN 'one of ' || array_to_string(v_argument.choices, ', ');
    ELSIF
        jsonb_typeof(p_value) = 'string'
        AND btrim(p_value #>> '{}') <> ''
        AND length(p_value #>> '{}') <= 500
    THEN
        RETURN NULL;
    END IF;
    RETURN 'text that is not blank, of 500 characters at most';
END;
$$;

COMMENT ON FUNCTION recommender._expected_argument(text, text, jsonb) IS
'NULL when a job of the type takes this value under this key of its payload, else what it expects there.';
