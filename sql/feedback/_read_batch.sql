-- A sound batch as arrays, without the interactions with events that are unknown or deleted.

CREATE OR REPLACE FUNCTION recommender._read_batch(p_events jsonb)
RETURNS TABLE (
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
        array_agg(i.interaction_type ORDER BY i.number),
        array_agg(i.event_id ORDER BY i.number),
        array_agg(i.occurred_at ORDER BY i.number),
        array_agg(i.meta ORDER BY i.number),
        array_agg(i.client_id ORDER BY i.number)
    FROM ROWS FROM (
        jsonb_to_recordset(p_events) AS (
            interaction_type text,
            event_id integer,
            occurred_at timestamptz,
            meta jsonb,
            client_id uuid
        )
    ) WITH ORDINALITY AS i (interaction_type, event_id, occurred_at, meta, client_id, number)
    WHERE
        i.event_id IS NULL
        -- A look-up each, not a join: the batch is small and the events are many.
        OR (
            SELECT true FROM recommender.source_events AS e WHERE e.event_id = i.event_id
        );
END;
$$;

COMMENT ON FUNCTION recommender._read_batch(jsonb) IS
'One row of arrays of one length, a place for each interaction of the batch in its order, but those whose event is unknown or deleted; NULL arrays when none is left. Raises class 22 for an instant that does not exist.';
