-- The step of retention that takes what is older than the cutoff out of event_interactions.
--
-- One table after the other, in the order of their oids. A month that is old in the whole is read
-- while others write, for its history; then it is locked, read for what came since, and dropped.
-- From any other table old rows are deleted, each batch with its history in one step.

CREATE OR REPLACE FUNCTION recommender._retire_interactions(p_progress jsonb)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_cutoff timestamptz := (p_progress ->> 'cutoff')::timestamptz;
    v_at jsonb := coalesce(p_progress -> 'at', '{"table_id": 0}');
    v_table record;
    v_next jsonb;
    v_read_page bigint;
    v_counts jsonb;
BEGIN
    SELECT t.table_id, t.table_id::regclass AS table_name, c.relname, t.is_month INTO v_table
    FROM recommender._interaction_tables() AS t
    INNER JOIN pg_catalog.pg_class AS c ON c.oid = t.table_id
    WHERE
        t.table_id >= (v_at ->> 'table_id')::bigint
        AND CASE WHEN t.is_month
            THEN t.to_at <= v_cutoff ELSE coalesce(t.from_at, '-infinity') < v_cutoff
        END
    ORDER BY t.table_id
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN p_progress - 'at' || '{"stage": "receipts"}';
    END IF;
    IF (v_at ->> 'table_id')::bigint <> v_table.table_id THEN
        v_at := jsonb_build_object('table_id', v_table.table_id::bigint);
    END IF;
    v_next := jsonb_build_object('table_id', v_table.table_id::bigint + 1);

    IF (p_progress ->> 'tries')::integer >= 5 THEN
        RETURN recommender._skip_in_retention(p_progress, v_table.relname, 'busy')
            || jsonb_build_object('at', v_next);
    END IF;
    IF NOT v_table.is_month OR v_at ? 'page' THEN
        v_counts := recommender._delete_old_interactions(
            v_table.table_name, v_cutoff, (v_at ->> 'page')::bigint
        );
        IF v_counts ? 'page' THEN
            v_next := v_at || jsonb_build_object('page', v_counts -> 'page');
        END IF;
        v_counts := v_counts - 'page';
    ELSIF (v_at ->> 'read_page')::bigint * current_setting('block_size')::bigint
        >= pg_relation_size(v_table.table_id)
    THEN
        v_counts := recommender._drop_old_partition(
            v_table.table_name, v_cutoff, (v_at ->> 'horizon')::xid
        );
        IF v_counts IS NULL THEN
            RETURN recommender._skip_in_retention(
                p_progress, v_table.relname,
                'emptied but not dropped, because something depends on it'
            ) || jsonb_build_object('at', v_at || '{"page": 0}');
        END IF;
    ELSE
        IF NOT v_at ? 'horizon' THEN
            v_at := v_at || jsonb_build_object(
                'horizon', pg_snapshot_xmin(pg_current_snapshot())::xid::text, 'read_page', 0
            );
        END IF;
        v_read_page := (v_at ->> 'read_page')::bigint;
        v_counts := jsonb_build_object(
            'rows_kept',
            recommender._keep_retention_history(v_table.table_name, NULL, v_read_page, NULL)
        );
        v_next := v_at || jsonb_build_object('read_page', v_read_page + 2048);
    END IF;
    RETURN recommender._add_retention_counts(
        p_progress || jsonb_build_object('at', v_next), v_counts
    );
END;
$$;

COMMENT ON FUNCTION recommender._retire_interactions(jsonb) IS
'Keeps the history of 16 MB of a partition, drops one, or deletes about 10,000 rows before the cutoff, or passes on to the next stage. at in the progress says where it is: table_id, horizon (what transactions from there on wrote may not have been read), read_page (history is kept up to there) and page (deleted up to there).';
