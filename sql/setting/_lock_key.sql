-- The advisory lock of one of the recommender's critical sections.

CREATE OR REPLACE FUNCTION recommender._lock_key(p_section text)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- 'evrk' in ASCII in the upper half keeps clear of the app's own advisory locks.
    SELECT (1702261355::bigint << 32) + CASE p_section
        WHEN 'model' THEN 1
        WHEN 'refresh_features' THEN 2
        WHEN 'recompute' THEN 3
        WHEN 'claim' THEN 4
        WHEN 'retention' THEN 5
        WHEN 'refresh_upcoming' THEN 6
        WHEN 'guardrails' THEN 7
        WHEN 'schedule' THEN 8
    END;
END;

COMMENT ON FUNCTION recommender._lock_key(text) IS
'The advisory lock of a critical section: model (writers of lists share it, activation has it alone), refresh_features, refresh_upcoming, recompute (one training at a time), claim (jobs that run alone are claimed one by one), retention (one step at a time), guardrails (one evaluation at a time), or schedule (one look at what is due at a time). NULL for an unknown section.';
