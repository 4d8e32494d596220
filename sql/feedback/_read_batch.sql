-- A batch as arrays, without the interactions with events that are unknown or deleted.
--
-- Everything in one pass: whether it is sound, too.

CREATE OR REPLACE FUNCTION recommender._read_batch(p_events jsonb)
RETURNS TABLE (
    is_sound boolean,
    types text[],
    event_ids integer[],
    times timestamptz[],
    metas jsonb[],
    client_ids uuid[]
)
LANGUAGE plpgsql
STABLE
ROWS 1
SET plan_cache_mode = 'force_generic_plan'
AS $$
BEGIN
    RETURN QUERY
    SELECT
        bool_and(i.type_and_meta_are_sound)
        AND coalesce(
            string_agg(i.event_id, e'\n') || e'\n'
            ~ ('^(' || recommender._field_form('event_id') || e'\n)+$'), true
        )
        AND coalesce(
            string_agg(i.occurred_at, e'\n') || e'\n'
            ~ ('^(' || recommender._field_form('occurred_at') || e'\n)+$'), true
        )
        AND coalesce(
            string_agg(i.client_id, e'\n') || e'\n'
            ~ ('^(' || recommender._field_form('client_id') || e'\n)+$'), true
        ),
        array_agg(i.interaction_type) FILTER (WHERE i.is_known),
        array_agg(i.event_id::integer) FILTER (WHERE i.is_known),
        array_agg(i.instant) FILTER (WHERE i.is_known),
        array_agg(i.meta) FILTER (WHERE i.is_known),
        array_agg(i.client_uuid) FILTER (WHERE i.is_known)
    FROM (
        SELECT
            r.interaction_type,
            -- As JSON: a text of digits keeps its quotes, and is no number.
            r.event_id::text,
            r.occurred_at,
            r.meta,
            r.client_id,
            -- Of every interaction: one that will be dropped has to be sound, too.
            r.occurred_at::timestamptz AS instant,
            r.client_id::uuid AS client_uuid,
            -- A look-up each, not a join: the batch is small and the events are many.
            r.event_id IS NULL OR (
                SELECT true FROM recommender.source_events AS e
                WHERE e.event_id = r.event_id::text::integer
            ) AS is_known,
            recommender._is_meta(r.meta)
            AND r.interaction_type IS NOT NULL
            AND array_position(recommender._interaction_types(), r.interaction_type) IS NOT NULL
                AS type_and_meta_are_sound
        -- No more rows than are taken; they come in the order of the array.
        FROM jsonb_to_recordset(
            CASE WHEN jsonb_array_length(p_events) <= 100 THEN p_events END
        ) AS r (
            interaction_type text,
            event_id jsonb,
            occurred_at text,
            meta jsonb,
            client_id text
        )
        OFFSET 0
    ) AS i;
EXCEPTION WHEN data_exception THEN
    -- No array, no object, a number too large, the 30th of February.
    RETURN;
END;
$$;

COMMENT ON FUNCTION recommender._read_batch(jsonb) IS
'One row of arrays of one length, a place for each interaction of the batch in its order, but those whose event is unknown or deleted; NULL arrays when none is left. is_sound says whether the value is an array of 1 to 100 interactions without a fault; if it is not true, or there is no row, recommender._refuse_batch says why.';
