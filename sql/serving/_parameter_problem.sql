-- The answer to a parameter that is wrong.

CREATE OR REPLACE FUNCTION recommender._parameter_problem(
    p_parameter text, p_expected text, p_value text
)
RETURNS json
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT json_build_object(
        'type', 'about:blank', 'title', 'Unprocessable Content', 'status', 422,
        'detail', 'these parameters are wrong: ' || p_parameter,
        'errors', json_build_array(json_build_object(
            'parameter', p_parameter,
            'detail', 'expected ' || p_expected,
            'value', left(p_value, 80)
        ))
    );
END;

COMMENT ON FUNCTION recommender._parameter_problem(text, text, text) IS
'A 422 problem object (RFC 9457) whose errors name the parameter, what was expected, and what was given, shortened to 80 characters.';
