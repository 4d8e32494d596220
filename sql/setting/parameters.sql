-- One row: the settings SQL reads, typed. Columns a query does not name are not looked up.

CREATE OR REPLACE VIEW recommender.parameters AS
SELECT
    recommender.setting('recommendations_online_learning_decay_half_life_hours')::double precision
        AS decay_half_life_hours,
    recommender.setting('recommendations_online_learning_max_score')::double precision
        AS implicit_score_cap,
    recommender.setting('recommendations_online_learning_dwell_threshold_seconds')::double precision
        AS dwell_threshold_seconds,
    recommender.setting('recommendations_cache_max_age_seconds')::integer
        AS cache_max_age_seconds,
    recommender.setting('recommendations_realtime_refresh_top_n')::integer
        AS refresh_top_n,
    nullif(recommender.setting('recommender_model_version'), '')
        AS model_version,
    recommender.setting('recommendations_use_ml_cache')::boolean
        AS use_ml_cache,
    recommender.setting('experiments_personalization_ml_percent')::integer
        AS experiment_percent,
    recommender.setting('analytics_enabled')::boolean
        AS analytics_enabled,
    recommender.setting('analytics_rate_limit')::integer
        AS rate_limit_count,
    recommender.setting('analytics_rate_window_seconds')::integer
        AS rate_window_seconds,
    recommender.setting('analytics_retention_days')::integer
        AS retention_days,
    recommender.setting('recommendations_online_learning_enabled')::boolean
        AS learning_enabled,
    recommender.setting('task_queue_enabled')::boolean
        AS queue_enabled,
    recommender.setting('recommendations_realtime_refresh_enabled')::boolean
        AS refresh_enabled,
    recommender.setting('recommendations_realtime_refresh_min_interval_seconds')::integer
        AS refresh_interval_seconds,
    recommender.setting('task_queue_max_attempts')::integer
        AS max_attempt_count,
    recommender.setting('task_queue_stale_after_seconds')::integer
        AS stale_after_seconds,
    recommender.setting('personalization_guardrails_enabled')::boolean
        AS guardrails_enabled,
    recommender.setting('personalization_guardrails_days')::integer
        AS guardrails_days,
    recommender.setting('personalization_guardrails_min_impressions')::integer
        AS guardrails_min_impressions,
    recommender.setting('personalization_guardrails_ctr_drop_ratio')::double precision
        AS guardrails_ctr_drop_ratio,
    recommender.setting('personalization_guardrails_conversion_drop_ratio')::double precision
        AS guardrails_conversion_drop_ratio,
    recommender.setting('personalization_guardrails_click_to_register_window_hours')::integer
        AS guardrails_window_hours,
    recommender.setting('personalization_guardrails_method')
        AS guardrails_method,
    recommender.setting('personalization_guardrails_cooldown_hours')::integer
        AS guardrails_cooldown_hours,
    recommender.setting('recommender_max_loss_increase')::double precision
        AS max_loss_increase,
    recommender.setting('recommender_min_holdout_students')::integer
        AS min_holdout_students,
    recommender.setting('recommender_feature_set')
        AS feature_set;

COMMENT ON VIEW recommender.parameters IS
'One row of typed settings for SQL; read it as (SELECT decay_half_life_hours FROM recommender.parameters). Hours, score units, seconds; refresh_top_n is a number of events; model_version is NULL when none is pinned; use_ml_cache says whether lists are served at all, experiment_percent is 0 to 100; analytics_enabled, learning_enabled, queue_enabled and refresh_enabled are the switches of telemetry, online learning, jobs and refreshes; retention_days 0 keeps telemetry for ever. guardrails_enabled, guardrails_days, guardrails_min_impressions, guardrails_ctr_drop_ratio, guardrails_conversion_drop_ratio, guardrails_window_hours (click to register), guardrails_method (ratio or sequential) and guardrails_cooldown_hours are what guardrails judge by; max_loss_increase is the share by which a new model''s held-out loss may exceed the active one''s, min_holdout_students how many held-out students that takes; feature_set is base or extended, the features of the next model.';
