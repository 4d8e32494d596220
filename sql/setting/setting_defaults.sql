-- One row is one setting: its default, its type and bounds, and what it means.

CREATE OR REPLACE VIEW recommender.setting_defaults AS
SELECT
    d.name,
    d.default_value,
    d.value_type,
    d.min_value,
    d.max_value,
    d.description
FROM (
    VALUES
    (
        'analytics_enabled', 'true', 'boolean', NULL::double precision, NULL::double precision,
        'Store telemetry at all'
    ),
    (
        'analytics_rate_limit', '120', 'integer', 1, 1e6,
        'Telemetry requests a window and client'
    ),
    (
        'analytics_rate_window_seconds', '60', 'integer', 1, 86400,
        'Length of the rate limit''s window, seconds'
    ),
    (
        'analytics_retention_days', '0', 'integer', 0, 36500,
        'Days to keep telemetry; 0 keeps it for ever'
    ),
    (
        'recommendations_use_ml_cache', 'true', 'boolean', NULL, NULL,
        'Serve the lists the model wrote while they are fresh'
    ),
    (
        'recommendations_cache_max_age_seconds', '86400', 'integer', 0, 3e8,
        'Age in seconds beyond which a list is no longer fresh'
    ),
    (
        'recommendations_realtime_refresh_enabled', 'false', 'boolean', NULL, NULL,
        'Rescore a student after meaningful telemetry'
    ),
    (
        'recommendations_realtime_refresh_min_interval_seconds', '300', 'integer', 0, 3e8,
        'Least seconds between two refreshes of one student'
    ),
    (
        'recommendations_realtime_refresh_top_n', '50', 'integer', 1, 10000,
        'Events a list that a refresh writes'
    ),
    (
        'recommendations_online_learning_enabled', 'false', 'boolean', NULL, NULL,
        'Learn implicit interests from telemetry'
    ),
    (
        'recommendations_online_learning_dwell_threshold_seconds', '10', 'number', 0, 86400,
        'Seconds on a page from which a dwell counts'
    ),
    (
        'recommendations_online_learning_decay_half_life_hours', '72', 'number', 1e-3, 1e6,
        'Hours in which an implicit score halves'
    ),
    (
        'recommendations_online_learning_max_score', '10', 'number', 1e-3, 1e6,
        'Cap of an implicit score; a score at the cap weighs 1'
    ),
    (
        'task_queue_enabled', 'false', 'boolean', NULL, NULL,
        'Run background jobs'
    ),
    (
        'task_queue_poll_interval_seconds', '1', 'number', 1e-2, 3600,
        'Seconds between two looks at the queue when nothing wakes the worker'
    ),
    (
        'task_queue_max_attempts', '3', 'integer', 1, 100,
        'Attempts a job has'
    ),
    (
        'task_queue_stale_after_seconds', '300', 'integer', 1, 86400,
        'Seconds without a heartbeat after which a running job is handed back'
    ),
    (
        'personalization_guardrails_enabled', 'false', 'boolean', NULL, NULL,
        'Watch quality and roll a model back when it drops'
    ),
    (
        'personalization_guardrails_days', '7', 'integer', 1, 365,
        'Days of telemetry a guardrail looks at'
    ),
    (
        'personalization_guardrails_min_impressions', '200', 'integer', 1, 1e9,
        'Impressions each variant needs before a guardrail decides'
    ),
    (
        'personalization_guardrails_ctr_drop_ratio', '0.5', 'number', 0, 1,
        'Drop of the click-through rate that rolls back, as a share of the other variant''s'
    ),
    (
        'personalization_guardrails_conversion_drop_ratio', '0.5', 'number', 0, 1,
        'Drop of click-to-register conversion that rolls back, as a share of the other variant''s'
    ),
    (
        'personalization_guardrails_click_to_register_window_hours', '72', 'integer', 1, 8760,
        'Hours after a click within which a registration counts as its conversion'
    ),
    (
        'personalization_guardrails_method', 'ratio', 'ratio|sequential', NULL, NULL,
        'How a drop is judged: ratio (the reference''s rule), or sequential (valid at every look)'
    ),
    (
        'personalization_guardrails_cooldown_hours', '24', 'integer', 0, 8760,
        'Hours after a rollback or a manual activation in which guardrails do not roll back'
    ),
    (
        'recommender_max_loss_increase', '0.05', 'number', 0, 1e6,
        'By how much a new model''s held-out loss may exceed the active one''s, as a share of it'
    ),
    (
        'recommender_min_holdout_students', '50', 'integer', 1, 1e9,
        'Students from which on a new model is compared: with the active one, and with popularity'
    ),
    (
        'experiments_personalization_ml_percent', '0', 'integer', 0, 100,
        'Percentage of students whose event list is sorted by the model unless they choose'
    ),
    (
        'recommender_feature_set', 'base', 'base|extended', NULL, NULL,
        'Features of the next model: base (the reference''s eight) or extended (attendances too)'
    ),
    (
        'recommender_model_version', '', 'text', NULL, NULL,
        'Score with this model instead of the active one'
    )
) AS d (name, default_value, value_type, min_value, max_value, description);

COMMENT ON VIEW recommender.setting_defaults IS
'One row is one setting the recommender knows: the reference''s environment variable in lower case, its default as text, its type (boolean, integer, number, text, or the values it may have between |), its bounds (NULL: none) and its meaning.';
