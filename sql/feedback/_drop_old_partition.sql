-- Drops a partition of event_interactions with what history needs of it kept.
--
-- Locked against writers first and against readers last, so that these wait for the catalog only.

CREATE OR REPLACE FUNCTION recommender._drop_old_partition(
    p_table regclass, p_cutoff timestamptz, p_since xid
)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_kept bigint;
    v_removed bigint;
BEGIN
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', p_table);
    IF NOT EXISTS (
        SELECT FROM recommender._interaction_partitions() AS p
        WHERE p.partition_id = p_table AND p.is_month AND p.to_at <= p_cutoff
    ) THEN
        RETURN '{}';
    END IF;
    v_kept := recommender._keep_retention_history(p_table, NULL, NULL, p_since);
    EXECUTE format('SELECT count(*) FROM ONLY %s', p_table) INTO v_removed;
    EXECUTE format('DROP TABLE %s', p_table);
    RETURN jsonb_build_object(
        'partitions_dropped', 1, 'rows_removed', v_removed, 'rows_kept', v_kept
    );
EXCEPTION WHEN dependent_objects_still_exist THEN
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION recommender._drop_old_partition(regclass, timestamptz, xid) IS
'Drops a monthly partition that ends by p_cutoff, after keeping the history of rows that transactions from p_since on wrote; returns partitions_dropped, rows_removed and rows_kept. {} if it is no such partition by now, NULL if something depends on it.';
