-- Notes in a progress what retention leaves for the next run, and why.

CREATE OR REPLACE FUNCTION recommender._skip_in_retention(
    p_progress jsonb, p_what text, p_why text
)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT p_progress || jsonb_build_object(
        'tries', 0,
        'skipped',
        coalesce(p_progress -> 'skipped', '[]') || jsonb_build_array(p_what || ': ' || p_why)
    );
END;

COMMENT ON FUNCTION recommender._skip_in_retention(jsonb, text, text) IS
'The progress with "p_what: p_why" appended to skipped, and no tries.';
