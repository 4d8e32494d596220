-- The body of an error, as RFC 9457 has it.

CREATE OR REPLACE FUNCTION recommender._problem(p_status integer, p_title text, p_detail text)
RETURNS json
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT json_build_object(
        'type', 'about:blank', 'title', p_title, 'status', p_status, 'detail', p_detail
    );
END;

COMMENT ON FUNCTION recommender._problem(integer, text, text) IS
'A problem object (RFC 9457) of type about:blank.';
