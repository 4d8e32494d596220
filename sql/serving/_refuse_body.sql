-- The answer to a body that is wrong: no row if it is sound.

CREATE OR REPLACE FUNCTION recommender._refuse_body(
    p_body jsonb, p_job_type text, p_keys text[], p_required_key text DEFAULT NULL
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT
        422,
        NULL::json,
        recommender._body_problem(
            array_agg(f.field ORDER BY f.field), array_agg(f.detail ORDER BY f.field)
        )
    FROM recommender._body_faults(p_body, p_job_type, p_keys, p_required_key) AS f
    HAVING count(*) > 0;
END;
$$;

COMMENT ON FUNCTION recommender._refuse_body(jsonb, text, text[], text) IS
'422 with errors, one object each with field (null: the body) and detail, for a body that recommender._body_faults finds wrong; else no row.';
