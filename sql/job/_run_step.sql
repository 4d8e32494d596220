-- Does the next step of a job of the lanes refresh and batch.

CREATE OR REPLACE FUNCTION recommender._run_step(p_job public.background_jobs)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    CASE p_job.job_type
        WHEN 'refresh_user_recommendations_ml' THEN
            RETURN recommender._refresh_student(
                (p_job.payload ->> 'user_id')::integer, (p_job.payload ->> 'top_n')::integer
            );
        WHEN 'recompute_recommendations_ml' THEN
            RETURN recommender._continue_rescore(p_job.payload, p_job.result, false);
        WHEN 'rescore_changed' THEN
            RETURN recommender._continue_rescore(p_job.payload, p_job.result, true);
        WHEN 'refresh_upcoming_events' THEN
            RETURN jsonb_build_object(
                'as_of', recommender.refresh_upcoming_events(), 'is_done', true
            );
        WHEN 'apply_analytics_retention' THEN
            RETURN recommender._continue_retention(p_job.result);
        WHEN 'evaluate_personalization_guardrails' THEN
            RETURN recommender.evaluate_guardrails(p_job.payload) || '{"is_done": true}';
    END CASE;
END;
$$;

COMMENT ON FUNCTION recommender._run_step(public.background_jobs) IS
'Does what a job has to do next in the caller''s transaction, and returns its progress; is_done is true at the end. Raises what the work raises.';
