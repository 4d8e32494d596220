-- Finds about 10,000 rows of a table that are older than a moment, without reading it all again.
--
-- By an index on the time, where there is one. Else page by page from where the last call ended:
-- a table of any size is read once, at most 64 MB a call.

CREATE OR REPLACE FUNCTION recommender._find_old_rows(
    p_table regclass,
    p_cutoff timestamptz,
    p_page bigint,
    OUT old_rows tid[],
    OUT next_page bigint
)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_page_count bigint := pg_relation_size(p_table) / current_setting('block_size')::bigint;
    v_page bigint := coalesce(p_page, 0);
BEGIN
    IF p_page IS NULL AND EXISTS (
        SELECT
        FROM pg_catalog.pg_index AS x
        INNER JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid
        INNER JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
        INNER JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0] AND a.attname = 'occurred_at'
        WHERE x.indrelid = p_table AND x.indisvalid AND x.indpred IS NULL
    ) THEN
        EXECUTE format(
            'SELECT coalesce(array_agg(o.ctid), ''{}'')
            FROM (
                SELECT i.ctid FROM ONLY %s AS i
                WHERE i.occurred_at < $1
                ORDER BY i.occurred_at
                LIMIT 10000
            ) AS o',
            p_table
        ) INTO old_rows USING p_cutoff;
        RETURN;
    END IF;
    old_rows := '{}';
    FOR i IN 1..128 LOOP
        EXIT WHEN v_page >= v_page_count OR cardinality(old_rows) >= 10000;
        EXECUTE format(
            'SELECT $1 || coalesce(array_agg(i.ctid), ''{}'')
            FROM ONLY %s AS i
            WHERE i.ctid >= $2 AND i.ctid < $3 AND i.occurred_at < $4',
            p_table
        ) INTO old_rows
        USING old_rows, format('(%s,0)', v_page)::tid, format('(%s,0)', v_page + 64)::tid, p_cutoff;
        v_page := v_page + 64;
    END LOOP;
    IF v_page < v_page_count THEN
        next_page := v_page;
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._find_old_rows(regclass, timestamptz, bigint) IS
'Some rows of a table with occurred_at before p_cutoff. With p_page NULL and an index on occurred_at the oldest 10,000, next_page NULL; else those of the pages from p_page (NULL: 0) on until 10,000 are found or 64 MB read, and next_page to go on from, NULL at the end of the table.';
