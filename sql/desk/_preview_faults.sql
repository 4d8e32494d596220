-- What is wrong with the body of a preview: one row is one key.

CREATE OR REPLACE FUNCTION recommender._preview_faults(p_body jsonb, p_feature_names text[])
RETURNS TABLE (field text, detail text)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF p_body IS NULL OR jsonb_typeof(p_body) <> 'object' THEN
        RETURN QUERY SELECT NULL::text, 'expected a JSON object'::text;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        left(e.key, 80),
        CASE WHEN e.key = 'weights'
            THEN 'expected an object of numbers, each under the name of its feature'
            ELSE 'expected weights as key'
        END
    FROM jsonb_each(p_body) AS e
    WHERE e.value <> 'null' AND (e.key <> 'weights' OR jsonb_typeof(e.value) <> 'object')
    ORDER BY e.key COLLATE "C"
    LIMIT 20;
    RETURN QUERY
    SELECT
        'weights.' || left(w.key, 80),
        CASE WHEN w.key = ANY (p_feature_names)
            THEN 'expected a number from -1000000 to 1000000'
            ELSE 'expected a feature of the model: ' || array_to_string(p_feature_names, ', ')
        END
    FROM jsonb_each(
        CASE WHEN jsonb_typeof(p_body -> 'weights') = 'object' THEN p_body -> 'weights' END
    ) AS w
    WHERE
        w.key <> ALL (p_feature_names)
        -- null is what leaving it out is.
        OR (
            w.value <> 'null'
            AND coalesce(
                recommender._number_in(p_body -> 'weights', w.key) NOT BETWEEN -1e6 AND 1e6, true
            )
        )
    ORDER BY w.key COLLATE "C"
    LIMIT 20;
END;
$$;

COMMENT ON FUNCTION recommender._preview_faults(jsonb, text[]) IS
'What is wrong with the body {"weights": {feature: number}} of a preview for a model of these features: field (NULL: the body itself) and what was expected there; no row if it is sound. null counts as not given. Of many the first 20.';
