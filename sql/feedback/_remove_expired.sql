-- The steps of retention that remove receipts, rate limits and ended jobs, 10,000 each.

CREATE OR REPLACE FUNCTION recommender._remove_expired(p_progress jsonb)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    -- Receipts and jobs are of the clock, whatever moment telemetry speaks for.
    v_week_ago timestamptz := now() - interval '7 days';
    v_count bigint;
    v_next_stage jsonb;
    v_counted text;
BEGIN
    CASE p_progress ->> 'stage'
        WHEN 'receipts' THEN
            DELETE FROM public.interaction_receipts AS r
            WHERE r.ctid = ANY (ARRAY(
                SELECT o.ctid FROM public.interaction_receipts AS o
                WHERE o.received_at < v_week_ago
                LIMIT 10000
            ));
            GET DIAGNOSTICS v_count = ROW_COUNT;
            v_counted := 'receipts_removed';
            v_next_stage := '{"stage": "rate_limits"}';
        WHEN 'rate_limits' THEN
            -- A window that a request is using has just begun anew.
            DELETE FROM public.analytics_rate_limits AS r
            WHERE r.client = ANY (ARRAY(
                SELECT o.client FROM public.analytics_rate_limits AS o
                WHERE o.window_ends_at <= now()
                LIMIT 10000
                FOR UPDATE SKIP LOCKED
            ));
            GET DIAGNOSTICS v_count = ROW_COUNT;
            v_counted := 'rate_limits_removed';
            v_next_stage := '{"stage": "jobs"}';
        ELSE
            -- The app's own jobs, in the same table, are none of ours.
            DELETE FROM public.background_jobs AS j
            WHERE j.id = ANY (ARRAY(
                SELECT o.id FROM public.background_jobs AS o
                WHERE
                    o.status = 'succeeded'
                    AND o.finished_at < v_week_ago
                    AND o.job_type IN (SELECT t.job_type FROM recommender.job_types AS t)
                LIMIT 10000
                FOR UPDATE SKIP LOCKED
            ));
            GET DIAGNOSTICS v_count = ROW_COUNT;
            v_counted := 'jobs_removed';
            v_next_stage := '{"is_done": true}';
    END CASE;
    RETURN recommender._add_retention_counts(p_progress, jsonb_build_object(v_counted, v_count))
        || CASE WHEN v_count < 10000 THEN v_next_stage ELSE '{}' END;
END;
$$;

COMMENT ON FUNCTION recommender._remove_expired(jsonb) IS
'Removes receipts older than 7 days, rate limits whose window has ended, or jobs that succeeded more than 7 days ago, whichever the stage of the progress says, and passes on to the next stage after the last; is_done after jobs.';
