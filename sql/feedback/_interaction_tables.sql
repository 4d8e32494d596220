-- One row is one table that holds rows of event_interactions.

CREATE OR REPLACE FUNCTION recommender._interaction_tables()
RETURNS TABLE (
    table_id oid, from_at timestamptz, to_at timestamptz, is_month boolean
)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE descendants AS (
        SELECT to_regclass('public.event_interactions')::oid AS descendant_id
        UNION ALL
        SELECT h.inhrelid
        FROM descendants AS d
        INNER JOIN pg_catalog.pg_inherits AS h ON h.inhparent = d.descendant_id
    )

    SELECT
        c.oid,
        p.from_at,
        p.to_at,
        coalesce(p.is_month, false)
    FROM descendants AS d
    INNER JOIN pg_catalog.pg_class AS c ON c.oid = d.descendant_id AND c.relkind = 'r'
    LEFT JOIN recommender._interaction_partitions() AS p ON p.partition_id = c.oid;
END;
$$;

COMMENT ON FUNCTION recommender._interaction_tables() IS
'One row is one ordinary table with rows of event_interactions: the table itself, or its partitions at any depth; from_at, to_at and is_month as recommender._interaction_partitions has them, NULL and false for what it has not.';
