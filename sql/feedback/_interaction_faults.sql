-- What is wrong with the interactions of a batch: one row a fault.
--
-- Asked only after the batch was found to be wrong, so it may take its time.

CREATE OR REPLACE FUNCTION recommender._interaction_faults(p_events jsonb)
RETURNS TABLE (index integer, field text, detail text)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_types text := (
        SELECT string_agg(t.name, ', ') FROM unnest(recommender._interaction_types()) AS t (name)
    );
BEGIN
    RETURN QUERY
    SELECT
        (x.number - 1)::integer,
        f.field,
        f.detail
    FROM jsonb_array_elements(p_events) WITH ORDINALITY AS x (item, number)
    CROSS JOIN LATERAL (
        SELECT
            NULL::text AS field,
            'expected an object'::text AS detail
        WHERE jsonb_typeof(x.item) <> 'object'
        UNION ALL
        SELECT
            'interaction_type',
            'expected one of ' || v_types
        WHERE
            jsonb_typeof(x.item) = 'object'
            AND NOT recommender._is_interaction_type(x.item -> 'interaction_type')
        UNION ALL
        SELECT
            'event_id',
            'expected an integer from 1 to 2147483647'
        WHERE NOT recommender._is_event_id(x.item -> 'event_id')
        UNION ALL
        SELECT
            'occurred_at',
            'expected an instant of RFC 3339, such as 2026-03-01T12:00:00Z'
        WHERE NOT recommender._is_instant(x.item -> 'occurred_at')
        UNION ALL
        SELECT
            'client_id',
            'expected a UUID, such as 0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c11'
        WHERE NOT recommender._is_client_id(x.item -> 'client_id')
        UNION ALL
        SELECT
            'meta',
            'expected an object of at most 4096 bytes and 5 levels, its numbers within'
            ' double precision'
        WHERE NOT recommender._is_meta(x.item -> 'meta')
    ) AS f
    ORDER BY x.number, f.field;
END;
$$;

COMMENT ON FUNCTION recommender._interaction_faults(jsonb) IS
'One row is one fault of a batch (a JSON array): index of the interaction from 0, the field (NULL: the interaction itself) and what was expected. No row: none.';
