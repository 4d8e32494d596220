-- The problem of a body, key by key.

CREATE OR REPLACE FUNCTION recommender._body_problem(p_fields text[], p_details text[])
RETURNS json
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT json_build_object(
        'type', 'about:blank',
        'title', 'Unprocessable Content',
        'status', 422,
        'detail', string_agg(concat_ws(': ', f.field, f.detail), '; ' ORDER BY f.fault_no),
        'errors', json_agg(
            json_build_object('field', f.field, 'detail', f.detail) ORDER BY f.fault_no
        )
    )
    FROM unnest(p_fields, p_details) WITH ORDINALITY AS f (field, detail, fault_no);
END;

COMMENT ON FUNCTION recommender._body_problem(text[], text[]) IS
'A 422 problem object (RFC 9457) with errors, one object each with field (null: the body) and detail, in the order of the two arrays.';
