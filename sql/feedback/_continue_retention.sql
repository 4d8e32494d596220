-- Takes retention one step further: a partition made, one read or dropped, or 10,000 rows removed.
--
-- A step is a transaction. What the next one has to do stands in the progress and in the tables, so
-- that one which is interrupted is continued, or begun anew, with nothing lost.

CREATE OR REPLACE FUNCTION recommender._continue_retention(p_progress jsonb)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_progress jsonb := p_progress;
    v_days integer;
BEGIN
    -- Two runs at once take turns.
    PERFORM pg_advisory_xact_lock(recommender._lock_key('retention'));
    IF v_progress ->> 'stage' IS NULL THEN
        v_days := (SELECT p.retention_days FROM recommender.parameters AS p);
        v_progress := jsonb_build_object(
            'stage', 'partitions',
            'tries', 0,
            'as_of', recommender.as_of(),
            'cutoff', CASE WHEN v_days > 0 THEN recommender.as_of() - v_days * interval '1 day' END,
            'partitions_made', 0,
            'partitions_dropped', 0,
            'rows_removed', 0,
            'rows_kept', 0,
            'receipts_removed', 0,
            'rate_limits_removed', 0,
            'jobs_removed', 0,
            'skipped', '[]'::jsonb
        );
    END IF;
    PERFORM pg_sleep(0.2 * (v_progress ->> 'tries')::integer);
    v_progress := recommender._step_retention(v_progress);
    IF v_progress @> '{"is_done": true}' THEN
        RETURN v_progress - ARRAY['stage', 'tries'];
    END IF;
    RETURN v_progress;
END;
$$;

COMMENT ON FUNCTION recommender._continue_retention(jsonb) IS
'One step of retention in the caller''s transaction, given what the step before returned (NULL: the first step): as_of, cutoff (NULL: telemetry is kept for ever), partitions_made, partitions_dropped, rows_removed of event_interactions, rows_kept of them in interaction_history, receipts_removed, rate_limits_removed, jobs_removed, skipped (what was left for the next run, and why), and at the end is_done.';
