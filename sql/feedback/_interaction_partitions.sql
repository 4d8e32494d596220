-- One row is one partition of event_interactions and the time it holds, by its bounds.
--
-- Bounds are written in the session's zone and style, and read back here: both are fixed.

CREATE OR REPLACE FUNCTION recommender._interaction_partitions()
RETURNS TABLE (
    partition_id oid, from_at timestamptz, to_at timestamptz, is_default boolean, is_month boolean
)
LANGUAGE plpgsql
STABLE
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $$
BEGIN
    RETURN QUERY
    SELECT
        b.oid,
        b.from_at,
        b.to_at,
        b.bound = 'DEFAULT',
        b.relkind = 'r'
        AND isfinite(b.from_at)
        AND b.from_at = date_trunc('month', b.from_at)
        AND b.to_at = b.from_at + interval '1 month'
    FROM (
        SELECT
            c.oid,
            c.relkind,
            t.bound,
            CASE (regexp_match(t.bound, 'FROM \((.*)\) TO'))[1]
                WHEN 'MINVALUE' THEN '-infinity'
                WHEN 'MAXVALUE' THEN 'infinity'
                ELSE btrim((regexp_match(t.bound, 'FROM \((.*)\) TO'))[1], '''')
            END::timestamptz AS from_at,
            CASE (regexp_match(t.bound, ' TO \((.*)\)'))[1]
                WHEN 'MINVALUE' THEN '-infinity'
                WHEN 'MAXVALUE' THEN 'infinity'
                ELSE btrim((regexp_match(t.bound, ' TO \((.*)\)'))[1], '''')
            END::timestamptz AS to_at
        FROM pg_catalog.pg_partitioned_table AS p
        INNER JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        INNER JOIN pg_catalog.pg_inherits AS h ON h.inhparent = p.partrelid
        INNER JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid
        CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) AS t
        WHERE
            p.partrelid = to_regclass('public.event_interactions')
            AND p.partstrat = 'r'
            AND p.partnatts = 1
            AND a.attname = 'occurred_at'
            AND a.atttypid = 'timestamptz'::regtype
            AND NOT h.inhdetachpending
    ) AS b;
END;
$$;

COMMENT ON FUNCTION recommender._interaction_partitions() IS
'One row is one partition of event_interactions, from_at (inclusive, -infinity without a bound) to to_at (exclusive); is_default for the default one, whose times are NULL; is_month for one of exactly a UTC month, which has no partitions of its own. No row unless the table is partitioned by ranges of occurred_at alone.';
