-- One row is one type of job: where it runs and what it does.

CREATE OR REPLACE VIEW recommender.job_types AS
SELECT
    t.job_type,
    t.lane,
    t.description
FROM (
    VALUES
    (
        'refresh_user_recommendations_ml', 'refresh',
        'Write one student''s list with the model that scores'
    ),
    (
        'recompute_recommendations_ml', 'training',
        'Train a model, activate it, and ask for everybody''s lists; with skip_training only the'
        ' lists are written, in lane batch'
    ),
    (
        'rescore_changed', 'batch',
        'Write the lists of the students who changed, or whom changed events concern'
    ),
    (
        'refresh_upcoming_events', 'batch',
        'Rebuild what students'' refreshes know of the events'
    ),
    (
        'evaluate_personalization_guardrails', 'batch',
        'Compare the sorts of the events list, and roll the model back when it does worse'
    ),
    (
        'apply_analytics_retention', 'batch',
        'Make partitions ahead, and remove telemetry, receipts and ended jobs that are old enough'
    )
) AS t (job_type, lane, description);

COMMENT ON VIEW recommender.job_types IS
'One row is one type of job that recommender.enqueue_job takes. lane says who runs it: refresh and batch run inside the database (recommender.run_jobs), training needs python -m app.worker.';
