-- PLACEHOLDER

CREATE OR REPLACE FUNCTION recommender._continue_retention(p_progress jsonb)
RETURNS jsonb
LANGUAGE sql
BEGIN ATOMIC
    SELECT '{"is_done": true}'::jsonb;
END;

COMMENT ON FUNCTION recommender._continue_retention(jsonb) IS 'x';
