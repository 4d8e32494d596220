-- One row is one thing that is out of date, stuck or failed, in words.

CREATE OR REPLACE VIEW recommender._freshness_warnings AS
SELECT
    1 AS place,
    'no model is active: students are shown events by tags and popularity until one is trained'
        AS warning
WHERE NOT EXISTS (
    SELECT
    FROM public.recommender_models AS m
    WHERE m.is_active
)
UNION ALL
SELECT
    1 AS place,
    format(
        'the active model %s is older than 3 days: is anybody training? (python -m app.worker)',
        m.model_version
    ) AS warning
FROM public.recommender_models AS m
WHERE m.is_active AND m.created_at < recommender.as_of() - interval '3 days'
UNION ALL
SELECT
    2 AS place,
    'no student has a fresh list: all are shown events by tags and popularity' AS warning
WHERE
    EXISTS (SELECT FROM recommender.source_students)
    AND NOT EXISTS (SELECT FROM recommender.fresh_lists)
UNION ALL
SELECT
    3 AS place,
    'the twin of the upcoming events is not of the last 30 minutes: new events do not reach the'
    ' lists' AS warning
WHERE NOT EXISTS (
    SELECT
    FROM recommender.snapshot_moment AS s
    WHERE s.upcoming_as_of >= recommender.as_of() - interval '30 minutes'
)
UNION ALL
SELECT
    4 AS place,
    'the queue is off: nothing is trained, rescored or removed by itself while'
    ' TASK_QUEUE_ENABLED is false' AS warning
FROM recommender.parameters AS p
WHERE NOT p.queue_enabled
UNION ALL
SELECT
    5 AS place,
    format(
        'job %s (%s) has been due for more than 15 minutes: does a worker of the lane %s run?',
        j.id, j.job_type, j.lane
    ) AS warning
FROM (
    SELECT
        q.id,
        q.job_type,
        recommender._job_lane(q.job_type, q.payload) AS lane
    FROM public.background_jobs AS q
    WHERE
        q.status = 'queued'
        AND q.run_at < now() - interval '15 minutes'
        AND recommender._job_lane(q.job_type, q.payload) IS NOT NULL
        -- Whoever waits for one that runs is not stuck.
        AND NOT recommender._is_job_blocked(q.job_type, q.dedupe_key)
    ORDER BY q.run_at, q.id
    LIMIT 1
) AS j
UNION ALL
SELECT
    6 AS place,
    format(
        'of the jobs %s, %s failed: SELECT id, last_error FROM background_jobs'
        ' WHERE status = ''failed''',
        f.job_type, count(*)
    ) AS warning
FROM public.background_jobs AS f
INNER JOIN recommender.job_types AS t ON t.job_type = f.job_type
WHERE f.status = 'failed'
GROUP BY f.job_type
UNION ALL
SELECT
    7 AS place,
    format('the schedule''s entry %s has failed: %s', s.name, s.last_error) AS warning
FROM recommender.schedule AS s
WHERE s.is_enabled AND s.last_error IS NOT NULL;

COMMENT ON VIEW recommender._freshness_warnings IS
'One row is one sentence for recommender.check_freshness(); place puts them in order.';
