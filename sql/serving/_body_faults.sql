-- What is wrong with the body of an admin's request: one row is one key.

CREATE OR REPLACE FUNCTION recommender._body_faults(
    p_body jsonb, p_job_type text, p_keys text[], p_required_key text DEFAULT NULL
)
RETURNS TABLE (field text, detail text)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF p_body IS NULL OR jsonb_typeof(p_body) <> 'object' THEN
        RETURN QUERY SELECT NULL::text, 'expected a JSON object'::text;
        RETURN;
    END IF;
    IF coalesce(p_body -> p_required_key, 'null') = 'null' AND p_required_key IS NOT NULL THEN
        RETURN QUERY SELECT p_required_key, 'expected it, and it is missing'::text;
    END IF;
    RETURN QUERY
    SELECT
        k.key,
        'expected ' || k.expected
    FROM (
        SELECT
            e.key,
            CASE
                WHEN e.key = ANY (p_keys)
                    THEN recommender._expected_argument(p_job_type, e.key, e.value)
                ELSE 'one of ' || array_to_string(p_keys, ', ') || ' as key'
            END AS expected
        FROM jsonb_each(p_body) AS e
        -- null is what leaving it out is.
        WHERE e.value <> 'null'
    ) AS k
    WHERE k.expected IS NOT NULL
    ORDER BY k.key COLLATE "C";
END;
$$;

COMMENT ON FUNCTION recommender._body_faults(jsonb, text, text[], text) IS
'What is wrong with a body whose keys are arguments of a job type: field (NULL: the body itself) and what was expected there; no row if it is sound. A key whose value is null counts as not given; p_required_key has to be.';
