-- The types of interaction that telemetry takes.

CREATE OR REPLACE FUNCTION recommender._interaction_types()
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT ARRAY[
        'impression', 'click', 'view', 'dwell', 'share', 'favorite', 'register', 'unregister',
        'search', 'filter'
    ];
END;

COMMENT ON FUNCTION recommender._interaction_types() IS
'The types of interaction, as telemetry spells them.';
