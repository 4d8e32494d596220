-- One row is one thing that runs by itself: when it did last, what came of it, and when it is next.

CREATE OR REPLACE VIEW recommender.schedule AS
SELECT
    e.name,
    e.cron,
    e.command,
    e.is_enabled,
    r.started_at AS last_run_at,
    CASE WHEN e.is_enabled AND e.cron_fault IS NULL
        THEN coalesce(
            e.due_at, recommender.next_occurrence(e.cron, (SELECT recommender.as_of()))
        )
    END AS next_run_at,
    r.result AS last_result,
    coalesce(e.cron_fault, r.error) AS last_error,
    r.missed_count,
    e.description
FROM recommender._schedule_entries AS e
LEFT JOIN LATERAL (
    SELECT
        t.started_at,
        t.result,
        t.error,
        t.missed_count
    FROM public.schedule_runs AS t
    WHERE
        t.name = e.name
        AND t.occurrence_at <= (SELECT recommender.as_of())
        AND t.finished_at IS NOT NULL
    ORDER BY t.occurrence_at DESC
    LIMIT 1
) AS r ON true
ORDER BY e.place;

COMMENT ON VIEW recommender.schedule IS
'One row is one entry of the schedule at recommender.as_of(), in the order in which what is due together is run: its cron expression (five fields, UTC), the statement it runs (command), whether it is enabled, when it was run last, with what last_result or last_error, how many earlier occurrences that run stood for (missed_count), and when it is next: a past moment is due and not run yet. NULL last_run_at: not run yet; NULL next_run_at: disabled, or a cron expression that is not valid, and then last_error says why. Change entries with recommender.set_schedule.';
