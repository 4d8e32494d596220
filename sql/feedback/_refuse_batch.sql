-- The answer to a batch that is wrong: where, and what was expected.

CREATE OR REPLACE FUNCTION recommender._refuse_batch(p_events jsonb)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_expected text;
    v_errors json;
    v_detail text;
BEGIN
    IF p_events IS NULL OR jsonb_typeof(p_events) <> 'array' THEN
        v_expected := 'expected an array of interactions';
    ELSIF jsonb_array_length(p_events) NOT BETWEEN 1 AND 100 THEN
        v_expected := format(
            'expected 1 to 100 interactions, not %s', jsonb_array_length(p_events)
        );
    END IF;
    IF v_expected IS NOT NULL THEN
        v_detail := 'events: ' || v_expected;
        v_errors := json_build_array(
            json_build_object('index', NULL, 'field', 'events', 'detail', v_expected)
        );
    ELSE
        SELECT
            format('%s: %s', (array_agg(
                format('events[%s]%s', f.index, '.' || f.field) ORDER BY f.index, f.field
            ))[1], (array_agg(f.detail ORDER BY f.index, f.field))[1])
            || CASE WHEN count(*) > 1 THEN format(' (and %s more)', count(*) - 1) ELSE '' END,
            json_agg(
                json_build_object('index', f.index, 'field', f.field, 'detail', f.detail)
                ORDER BY f.index, f.field
            )
        INTO v_detail, v_errors
        FROM recommender._interaction_faults(p_events) AS f;
    END IF;
    RETURN QUERY SELECT
        422,
        NULL::json,
        json_build_object(
            'type', 'about:blank', 'title', 'Unprocessable Content', 'status', 422,
            'detail', v_detail, 'errors', v_errors
        );
END;
$$;

COMMENT ON FUNCTION recommender._refuse_batch(jsonb) IS
'422 for a batch with faults: errors holds one object each with index (from 0; null: the batch), field (null: the interaction) and detail. One row.';
