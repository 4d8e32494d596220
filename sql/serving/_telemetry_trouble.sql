-- Why the app's own table of interactions does not take telemetry: NULL if it does.

CREATE OR REPLACE FUNCTION recommender._telemetry_trouble()
RETURNS text
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN (
        SELECT 'event_interactions does not take telemetry: ' || min(f.fault)
        FROM (
            SELECT format('%s is NOT NULL, which visitors and searches are', a.attname) AS fault
            FROM pg_catalog.pg_attribute AS a
            WHERE
                a.attrelid = 'public.event_interactions'::regclass
                AND a.attname IN ('user_id', 'event_id')
                AND a.attnotnull
            UNION ALL
            SELECT format('interaction_type is %s, expected text or varchar', t.typname) AS fault
            FROM pg_catalog.pg_attribute AS a
            INNER JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid AND t.typcategory <> 'S'
            WHERE
                a.attrelid = 'public.event_interactions'::regclass
                AND a.attname = 'interaction_type'
            UNION ALL
            SELECT 'it has no default partition' AS fault
            FROM pg_catalog.pg_partitioned_table AS p
            WHERE p.partrelid = 'public.event_interactions'::regclass AND p.partdefid = 0
        ) AS f
    );
END;
$$;

COMMENT ON FUNCTION recommender._telemetry_trouble() IS
'What keeps public.event_interactions, where the app brought its own, from taking every interaction: a NOT NULL user_id or event_id, an interaction_type that is no text, no default partition. NULL: nothing.';
