-- A deleted event as it was just before: time is an input, so it can be asked for.

CREATE OR REPLACE FUNCTION recommender._deleted_event_item(p_event_id integer)
RETURNS json
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_setting text := coalesce(current_setting('recommender.as_of', true), '');
    v_deleted_at timestamptz := (
        SELECT d.deleted_at FROM recommender.source_deleted_events AS d
        WHERE d.event_id = p_event_id
    );
    v_item json;
BEGIN
    IF NOT isfinite(v_deleted_at) THEN
        RETURN NULL;
    END IF;
    PERFORM recommender._set_as_of(v_deleted_at - interval '1 microsecond');
    v_item := recommender._event_items(ARRAY[p_event_id], ARRAY[NULL::text]) -> 0;
    PERFORM set_config('recommender.as_of', v_setting, true);
    RETURN v_item;
END;
$$;

COMMENT ON FUNCTION recommender._deleted_event_item(integer) IS
'The event of recommender._event_items as it was one microsecond before it was deleted; NULL for one that is not deleted.';
