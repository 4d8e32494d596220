-- The sentence that says why an event is in a list.
--
-- STABLE as array_to_string is: called IMMUTABLE it would not be inlined, at twenty times the cost.

CREATE OR REPLACE FUNCTION recommender.reason_text(
    p_templates recommender.reason_templates, p_interests text[], p_is_near boolean
)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_interests IS NOT NULL
            THEN replace((p_templates).interests, '%s', array_to_string(p_interests, ', '))
        WHEN p_is_near THEN (p_templates).near_you
        ELSE (p_templates).generic
    END;
END;

COMMENT ON FUNCTION recommender.reason_text(recommender.reason_templates, text[], boolean) IS
'The matching interests (up to three, heaviest first; NULL: none), else that the event is near (same_city at least 0.5), else the generic sentence. The rule is the reference''s.';
