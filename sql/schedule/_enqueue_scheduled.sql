-- Queues a job of the schedule, where jobs are run at all.

CREATE OR REPLACE FUNCTION recommender._enqueue_scheduled(p_job_type text)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_job public.background_jobs;
BEGIN
    IF NOT (SELECT p.queue_enabled FROM recommender.parameters AS p) THEN
        RETURN '{"skipped": "task_queue_enabled is false"}';
    END IF;
    v_job := recommender.enqueue_job(p_job_type, '{}', 'all');
    RETURN jsonb_build_object(
        'job_id', v_job.id,
        -- A job is as old as the transaction that queued it.
        'outcome', CASE WHEN v_job.created_at = now() THEN 'queued' ELSE 'already queued' END
    );
END;
$$;

COMMENT ON FUNCTION recommender._enqueue_scheduled(text) IS
'Queues a job of this type with an empty payload, as scripts/enqueue_scheduled_jobs.py does, and returns {job_id, outcome}: queued, or already queued. While TASK_QUEUE_ENABLED is false it queues nothing and returns {skipped} with that reason.';
