-- Which lane a job waits in.

CREATE OR REPLACE FUNCTION recommender._job_lane(p_job_type text, p_payload jsonb)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE p_job_type
        WHEN 'refresh_user_recommendations_ml' THEN 'refresh'
        WHEN 'recompute_recommendations_ml' THEN
            CASE WHEN p_payload -> 'skip_training' = 'true' THEN 'batch' ELSE 'training' END
        WHEN 'rescore_changed' THEN 'batch'
        WHEN 'refresh_upcoming_events' THEN 'batch'
        WHEN 'evaluate_personalization_guardrails' THEN 'batch'
        WHEN 'apply_analytics_retention' THEN 'batch'
    END;
END;

COMMENT ON FUNCTION recommender._job_lane(text, jsonb) IS
'refresh for one student''s list, training for what needs numpy, batch for everything else that recommender.job_types has; NULL for jobs that are not ours: an app may keep its own in the same table.';
