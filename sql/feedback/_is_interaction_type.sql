-- Whether a JSON value is a type of interaction.

CREATE OR REPLACE FUNCTION recommender._is_interaction_type(p_value jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(
        jsonb_typeof(p_value) = 'string'
        AND array_position(recommender._interaction_types(), p_value #>> '{}') IS NOT NULL,
        false
    );
END;

COMMENT ON FUNCTION recommender._is_interaction_type(jsonb) IS
'Whether the value is a string of recommender._interaction_types(); NULL is not.';
