-- One row is one number of GET /metrics that the database knows.

CREATE OR REPLACE VIEW recommender.gauges AS
SELECT
    'eventrank_jobs' AS name,
    jsonb_build_object('job_type', j.job_type, 'status', j.status) AS labels,
    count(*)::double precision AS value,
    'Background jobs that wait, run or have failed, by type and status' AS help
FROM (
    -- Apart, so that each reads an index of its own: those that succeeded are many.
    SELECT
        q.job_type,
        q.status
    FROM public.background_jobs AS q
    WHERE q.status = 'queued'
    UNION ALL
    SELECT
        r.job_type,
        r.status
    FROM public.background_jobs AS r
    WHERE r.status = 'running'
    UNION ALL
    SELECT
        f.job_type,
        f.status
    FROM public.background_jobs AS f
    WHERE f.status = 'failed'
) AS j
GROUP BY j.job_type, j.status
UNION ALL
SELECT
    'eventrank_jobs_due_seconds' AS name,
    '{}' AS labels,
    coalesce(greatest(extract(EPOCH FROM now() - min(j.run_at)), 0), 0)::double precision AS value,
    'How long the job that has waited longest is due' AS help
FROM public.background_jobs AS j
WHERE j.status = 'queued'
UNION ALL
SELECT
    'eventrank_lists' AS name,
    jsonb_build_object('state', s.state) AS labels,
    s.list_count::double precision AS value,
    'Students'' lists: fresh ones are served, stale ones are not' AS help
FROM (
    SELECT
        count(*) AS all_count,
        count(f.user_id) AS fresh_count
    FROM public.recommendation_lists AS l
    LEFT JOIN recommender.fresh_lists AS f ON f.user_id = l.user_id
) AS c
CROSS JOIN LATERAL (
    VALUES ('fresh', c.fresh_count), ('stale', c.all_count - c.fresh_count)
) AS s (state, list_count)
UNION ALL
SELECT
    'eventrank_list_age_seconds' AS name,
    jsonb_build_object('list', a.list) AS labels,
    extract(EPOCH FROM recommender.as_of() - a.generated_at)::double precision AS value,
    'Age of the oldest, the median and the newest list' AS help
FROM (
    SELECT
        min(l.generated_at) AS oldest,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY l.generated_at) AS median,
        max(l.generated_at) AS newest
    FROM public.recommendation_lists AS l
) AS g
CROSS JOIN LATERAL (
    VALUES ('oldest', g.oldest), ('median', g.median), ('newest', g.newest)
) AS a (list, generated_at)
WHERE a.generated_at IS NOT NULL
UNION ALL
SELECT
    'eventrank_snapshot_age_seconds' AS name,
    '{}' AS labels,
    extract(EPOCH FROM recommender.as_of() - s.as_of)::double precision AS value,
    'Age of the moment the materialized twins speak for' AS help
FROM public.recommender_snapshot AS s
UNION ALL
SELECT
    'eventrank_active_model_age_seconds' AS name,
    jsonb_build_object('model_version', m.model_version) AS labels,
    extract(EPOCH FROM recommender.as_of() - m.created_at)::double precision AS value,
    'Age of the active model' AS help
FROM public.recommender_models AS m
WHERE m.is_active
UNION ALL
SELECT
    'eventrank_schedule_lag_seconds' AS name,
    jsonb_build_object('name', e.name) AS labels,
    coalesce(
        extract(
            EPOCH FROM recommender.as_of() - CASE WHEN e.due_at IS NOT NULL
                THEN recommender.next_occurrence(e.cron, e.seen_at)
            END
        ),
        0
    )::double precision AS value,
    'How long the first occurrence of an entry of the schedule that was not run is due' AS help
FROM recommender._schedule_entries AS e
UNION ALL
SELECT
    'eventrank_schedule_failed' AS name,
    jsonb_build_object('name', s.name) AS labels,
    (s.last_error IS NOT NULL)::integer::double precision AS value,
    '1 when the last run of an entry of the schedule ended in an error' AS help
FROM recommender.schedule AS s
UNION ALL
SELECT
    g.name,
    g.labels,
    g.value,
    g.help
FROM recommender.guardrail_gauges AS g;

COMMENT ON VIEW recommender.gauges IS
'One row is one number as monitoring reads it: its Prometheus name, labels (a JSON object of texts, {} for none), value (counts, or seconds at recommender.as_of()) and help, what it means. Reads the headers of all lists once.';
