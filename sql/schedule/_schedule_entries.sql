-- One row is one entry of the schedule, and whether an occurrence of it is due.

CREATE OR REPLACE VIEW recommender._schedule_entries AS
SELECT
    d.place,
    d.name,
    e.cron,
    f.cron_fault,
    d.command,
    e.is_enabled,
    d.description,
    r.occurrence_at AS seen_at,
    o.due_at
FROM recommender.schedule_defaults AS d
LEFT JOIN public.recommender_schedule AS c ON c.name = d.name
CROSS JOIN LATERAL (
    SELECT
        coalesce(c.cron, d.cron) AS cron,
        coalesce(c.is_enabled, true) AS is_enabled
) AS e
-- Only somebody who wrote into the table by hand can have made it wrong.
CROSS JOIN LATERAL (SELECT recommender._cron_fault(e.cron) AS cron_fault) AS f
LEFT JOIN LATERAL (
    SELECT t.occurrence_at
    FROM public.schedule_runs AS t
    WHERE t.name = d.name AND t.occurrence_at <= (SELECT recommender.as_of())
    ORDER BY t.occurrence_at DESC
    LIMIT 1
) AS r ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN e.is_enabled AND f.cron_fault IS NULL
        THEN recommender.previous_occurrence(e.cron, (SELECT recommender.as_of()))
    END AS occurrence_at
) AS p
CROSS JOIN LATERAL (
    SELECT CASE WHEN p.occurrence_at > r.occurrence_at THEN p.occurrence_at END AS due_at
) AS o;

COMMENT ON VIEW recommender._schedule_entries IS
'One row is one entry of recommender.schedule at recommender.as_of(). cron_fault: why its cron expression cannot be used (NULL: it can); seen_at: the last occurrence that was run, or the moment from which on its occurrences count (NULL: nobody has looked at it yet); due_at: its latest occurrence, if that is enabled, later than seen_at and so to be run (NULL: nothing is due).';
