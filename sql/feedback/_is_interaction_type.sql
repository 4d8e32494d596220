-- Whether a JSON value is a type of interaction.

CREATE OR REPLACE FUNCTION recommender._is_interaction_type(p_value jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(
        jsonb_typeof(p_value) = 'string'
        AND p_value #>> '{}' = ANY (recommender._interaction_types()),
        false
    );
END;

COMMENT ON FUNCTION recommender._is_interaction_type(jsonb) IS
'Whether the value is a string of recommender._interaction_types(); NULL is not.';
