-- All rows of the status but its head, in the order of the screen.

CREATE OR REPLACE FUNCTION recommender._status_items()
RETURNS TABLE (area text, item text, value text, warning text)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_is_valid boolean := (SELECT bool_and(s.is_valid) FROM recommender.settings AS s);
BEGIN
    IF NOT v_is_valid THEN
        RETURN QUERY
        SELECT 'settings', s.*
        FROM recommender._status_settings() AS s WHERE s.warning LIKE 'this value is not valid%';
    END IF;
    RETURN QUERY SELECT 'data', s.* FROM recommender._status_data() AS s;
    RETURN QUERY SELECT 'model', s.* FROM recommender._status_model() AS s;
    IF v_is_valid THEN
        RETURN QUERY SELECT 'lists', s.* FROM recommender._status_lists() AS s;
    END IF;
    RETURN QUERY SELECT 'features', s.* FROM recommender._status_features() AS s;
    IF v_is_valid THEN
        RETURN QUERY SELECT 'queue', s.* FROM recommender._status_queue() AS s;
    END IF;
    RETURN QUERY SELECT 'schedule', s.* FROM recommender._status_schedule() AS s;
    RETURN QUERY SELECT 'guardrails', s.* FROM recommender._status_guardrails() AS s;
    RETURN QUERY
    SELECT 'settings', s.*
    FROM recommender._status_settings() AS s
    WHERE s.warning LIKE 'this value is not valid%' IS NOT TRUE;
END;
$$;

COMMENT ON FUNCTION recommender._status_items() IS
'The rows of recommender.status from area data on. A setting that is not valid comes first, and lists and queue, which would raise ER002, are left out.';
