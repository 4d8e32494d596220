-- Applies retention, with a commit after each step: the job of that name for psql and pg_cron.

CREATE OR REPLACE PROCEDURE recommender.apply_retention(
    INOUT partitions_made bigint DEFAULT NULL,
    INOUT partitions_dropped bigint DEFAULT NULL,
    INOUT rows_removed bigint DEFAULT NULL,
    INOUT rows_kept bigint DEFAULT NULL,
    INOUT receipts_removed bigint DEFAULT NULL,
    INOUT jobs_removed bigint DEFAULT NULL,
    INOUT skipped jsonb DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
DECLARE
    v_progress jsonb;
BEGIN
    LOOP
        v_progress := recommender._continue_retention(v_progress);
        COMMIT;
        partitions_made := v_progress ->> 'partitions_made';
        partitions_dropped := v_progress ->> 'partitions_dropped';
        rows_removed := v_progress ->> 'rows_removed';
        rows_kept := v_progress ->> 'rows_kept';
        receipts_removed := v_progress ->> 'receipts_removed';
        jobs_removed := v_progress ->> 'jobs_removed';
        skipped := v_progress -> 'skipped';
        EXIT WHEN v_progress @> '{"is_done": true}';
        RAISE INFO '%: % partitions made, % dropped, % rows removed',
            v_progress ->> 'stage', partitions_made, partitions_dropped, rows_removed;
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE recommender.apply_retention(  -- noqa: LT01
    bigint, bigint, bigint, bigint, bigint, bigint, jsonb  -- noqa: LT01
) IS
'Makes the monthly partitions of event_interactions three months ahead; with ANALYTICS_RETENTION_DAYS above 0 drops partitions and deletes rows that are older, keeping in interaction_history what history needs; removes receipts older than 7 days, ended rate limits, and jobs that succeeded more than 7 days ago. Gives what it did; skipped lists what it left for the next call, and why. Any number may run at once, each can be interrupted and called again. Must be called outside a transaction block.';
