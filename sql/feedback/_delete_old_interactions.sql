-- Deletes one batch of old rows of a table, keeping what history needs of them.
--
-- The rows are known by their place: the planner takes ten thousand of those for more than reading
-- the table from end to end, which it would do anew for each batch.

CREATE OR REPLACE FUNCTION recommender._delete_old_interactions(
    p_table regclass, p_cutoff timestamptz, p_page bigint
)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
SET enable_seqscan = off
AS $$
DECLARE
    v_rows tid[];
    v_page bigint;
    v_kept bigint := 0;
    v_removed bigint := 0;
BEGIN
    SELECT f.old_rows, f.next_page INTO v_rows, v_page
    FROM recommender._find_old_rows(p_table, p_cutoff, p_page) AS f;
    IF cardinality(v_rows) > 0 THEN
        v_kept := recommender._keep_retention_history(p_table, v_rows, NULL, NULL);
        EXECUTE format(
            'DELETE FROM ONLY %s AS i WHERE i.ctid = ANY ($1) AND i.occurred_at < $2', p_table
        ) USING v_rows, p_cutoff;
        GET DIAGNOSTICS v_removed = ROW_COUNT;
    END IF;
    RETURN jsonb_build_object('rows_removed', v_removed, 'rows_kept', v_kept)
        || CASE
            WHEN v_page IS NOT NULL THEN jsonb_build_object('page', v_page)
            WHEN p_page IS NOT NULL OR cardinality(v_rows) < 10000 THEN '{}'
            WHEN v_removed = cardinality(v_rows) THEN '{"page": null}'
            -- A trigger kept some, and the oldest would be found for ever: page by page then.
            ELSE '{"page": 0}'
        END;
END;
$$;

COMMENT ON FUNCTION recommender._delete_old_interactions(regclass, timestamptz, bigint) IS
'Deletes the rows recommender._find_old_rows finds from p_page on; returns rows_removed, rows_kept (pairs of interaction_history) and, unless the table is done, page to go on from.';
