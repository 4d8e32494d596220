-- One row is one entry of the schedule as it comes: when, and what is run.
--
-- Guardrails come before the training, to judge the model before there is another one.

CREATE OR REPLACE VIEW recommender.schedule_defaults AS
SELECT
    d.place,
    d.name,
    d.cron,
    d.command,
    d.description
FROM (
    VALUES
    (
        1, 'guardrails', '0 3 * * *',
        'SELECT recommender._enqueue_scheduled(''evaluate_personalization_guardrails'')',
        'Compare the sorts of the events list, and roll the model back when it does worse'
    ),
    (
        2, 'nightly', '30 3 * * *',
        'SELECT recommender._enqueue_scheduled(''recompute_recommendations_ml'')',
        'Refresh the features, train a model, write everybody''s list: needs python -m app.worker'
    ),
    (
        3, 'changed', '20 * * * *',
        'SELECT recommender._enqueue_scheduled(''rescore_changed'')',
        'Write the lists of the students who changed, or whom changed events concern'
    ),
    (
        4, 'upcoming_events', '*/5 * * * *',
        'SELECT recommender._enqueue_scheduled(''refresh_upcoming_events'')',
        'Let new and edited events reach the lists'
    ),
    (
        5, 'stale_jobs', '* * * * *',
        'SELECT jsonb_build_object(''handed_back'', recommender.requeue_stale_jobs())',
        'Take jobs away from workers that are silent'
    ),
    (
        6, 'retention', '15 2 * * *',
        'SELECT recommender._enqueue_scheduled(''apply_analytics_retention'')',
        'Make partitions ahead, and remove telemetry, receipts and ended jobs that are old enough'
    ),
    (
        7, 'freshness', '*/15 * * * *',
        'SELECT recommender.check_freshness()',
        'Say what is out of date, stuck or failed'
    )
) AS d (place, name, cron, command, description);

COMMENT ON VIEW recommender.schedule_defaults IS
'One row is one entry of the schedule as sql/ brings it: its place in the order in which entries that are due together are run, its name, cron expression (five fields, UTC), command, the statement it runs, whose result is jsonb, and what that does.';
