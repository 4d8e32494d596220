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
        AS experiment_percent;

COMMENT ON VIEW recommender.parameters IS
'One row of typed settings for SQL; read it as (SELECT decay_half_life_hours FROM recommender.parameters). Hours, score units, seconds; refresh_top_n is a number of events; model_version is NULL when none is pinned; use_ml_cache says whether lists are served at all, experiment_percent is 0 to 100.';
