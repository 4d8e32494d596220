-- What ran by itself, and what came of it.

CREATE OR REPLACE FUNCTION recommender._status_schedule()
RETURNS TABLE (item text, value text, warning text)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT
        r.name,
        format(
            '%s ago, by %s%s',
            recommender._age_text(recommender.as_of() - r.started_at),
            r.started_by,
            CASE WHEN r.missed_count > 0
                THEN ', after ' || recommender._count_text(r.missed_count, 'missed run', 'missed runs')
                ELSE ''
            END
        ),
        CASE WHEN r.error IS NOT NULL THEN 'it failed: ' || r.error END
    FROM (
        SELECT DISTINCT ON (s.name)
            s.name,
            s.started_at,
            s.started_by,
            s.missed_count,
            s.error
        FROM public.schedule_runs AS s
        -- What has not finished only says from when on occurrences count.
        WHERE s.occurrence_at <= recommender.as_of() AND s.finished_at IS NOT NULL
        ORDER BY s.name, s.occurrence_at DESC
    ) AS r
    ORDER BY r.name COLLATE "C";
    IF NOT FOUND THEN
        RETURN QUERY VALUES (
            'last run',
            'never',
            CASE
                WHEN
                    recommender._switch('task_queue_enabled')
                    AND NOT EXISTS (
                        SELECT FROM public.schedule_runs AS s
                        WHERE s.occurrence_at <= recommender.as_of()
                    )
                    THEN 'nothing has run by itself yet: a worker does it, or pg_cron'
            END
        );
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._status_schedule() IS
'The rows of recommender.status on the last run of each entry of the schedule.';
