-- What telemetry and the queue remember besides the interactions and the jobs themselves.
-- recommender_snapshot has one row, and only our own functions write it:
-- squawk-ignore-file ban-drop-not-null

-- A retried batch is recognised by the ids its client gave. user_id 0 stands for visitors.
CREATE TABLE IF NOT EXISTS public.interaction_receipts (
    user_id integer NOT NULL,
    client_id uuid NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
-- Pruning by age; rows arrive in that order.
CREATE INDEX IF NOT EXISTS interaction_receipts_received_idx
ON public.interaction_receipts USING brin (received_at);

-- Lost in a crash, which is harmless: everybody starts a new window.
CREATE UNLOGGED TABLE IF NOT EXISTS public.analytics_rate_limits (
    client text PRIMARY KEY,
    request_count integer NOT NULL,
    window_ends_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What is left of telemetry that retention removed.
CREATE TABLE IF NOT EXISTS public.interaction_history (
    user_id integer NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    event_id integer NOT NULL REFERENCES public.events (id) ON DELETE CASCADE,
    interaction_type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    meta jsonb,
    PRIMARY KEY (user_id, event_id)
);
-- The event's side of the foreign key.
CREATE INDEX IF NOT EXISTS interaction_history_event_idx ON public.interaction_history (event_id);

-- A queue that the app has in a table of this name may go on there, beside ours, if ours fits in.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM information_schema.columns AS c
        WHERE
            c.table_schema = 'public'
            AND c.table_name = 'background_jobs'
            AND c.column_name = 'payload'
            AND c.udt_name = 'jsonb'
    ) THEN
        RAISE EXCEPTION 'public.background_jobs exists, but payload is no jsonb'
        USING HINT = 'ALTER TABLE background_jobs ALTER COLUMN payload TYPE jsonb, or rename it';
    END IF;
END
$$;
ALTER TABLE public.background_jobs ADD COLUMN IF NOT EXISTS result jsonb;

-- Of jobs that mean the same, one queued is enough: the oldest stays.
UPDATE public.background_jobs AS j SET
    status = 'failed',
    finished_at = now(),
    last_error = 'an older queued job does the same'
WHERE
    j.status = 'queued'
    AND EXISTS (
        SELECT FROM public.background_jobs AS o
        WHERE
            o.status = 'queued'
            AND o.job_type = j.job_type
            AND o.dedupe_key = j.dedupe_key
            AND o.id < j.id
            AND (
                j.job_type = 'refresh_user_recommendations_ml'
                OR o.payload::text = j.payload::text
            )
    );
-- Two jobs mean the same when type, key and payload agree. Refreshes of one student agree whatever
-- their payloads say: enqueue_job merges those.
CREATE UNIQUE INDEX IF NOT EXISTS background_jobs_meaning_idx
ON public.background_jobs (
    job_type,
    dedupe_key,
    (
        CASE job_type
            WHEN 'refresh_user_recommendations_ml' THEN 0
            ELSE hashtextextended(payload::text, 0)
        END
    )
) WHERE status = 'queued';
-- What runs now: claims look whether a job of the same meaning does, the sweep for silent workers.
CREATE INDEX IF NOT EXISTS background_jobs_running_idx
ON public.background_jobs (job_type, dedupe_key) WHERE status = 'running';
-- What failed and waits for somebody to look at it.
CREATE INDEX IF NOT EXISTS background_jobs_failed_idx
ON public.background_jobs (job_type) WHERE status = 'failed';

-- The twin that a student's refresh reads has a moment of its own.
ALTER TABLE public.recommender_snapshot
ADD COLUMN IF NOT EXISTS upcoming_as_of timestamptz,
ADD COLUMN IF NOT EXISTS upcoming_refreshed_at timestamptz,
ALTER COLUMN as_of DROP NOT NULL,
ALTER COLUMN refreshed_at DROP NOT NULL;

COMMENT ON COLUMN public.recommender_snapshot.upcoming_as_of IS
'The moment upcoming_attributes_snapshot speaks for; NULL: not built yet.';
COMMENT ON COLUMN public.recommender_snapshot.upcoming_refreshed_at IS
'When upcoming_attributes_snapshot was built; NULL: not yet.';

COMMENT ON TABLE public.interaction_receipts IS
'One row is one interaction a client sent under an id of its own; kept for 7 days.';
COMMENT ON COLUMN public.interaction_receipts.user_id IS
'Who sent it; 0: a visitor.';
COMMENT ON COLUMN public.interaction_receipts.client_id IS
'The id the client gave; sent again, it is stored no second time.';
COMMENT ON TABLE public.analytics_rate_limits IS
'One row is one client''s current window of telemetry requests; unlogged, empty after a crash.';
COMMENT ON COLUMN public.analytics_rate_limits.client IS
'user <id>, or client <address> for visitors.';
COMMENT ON TABLE public.interaction_history IS
'One row is the one interaction kept of a (user, event) whose telemetry retention removed: an unregister, else the strongest signal.';
COMMENT ON COLUMN public.interaction_history.meta IS
'The seconds of a dwell; NULL for everything else.';
COMMENT ON COLUMN public.background_jobs.result IS
'What a job has to show: progress while it runs, the outcome after; NULL: nothing yet.';
COMMENT ON COLUMN public.background_jobs.attempts IS
'How often the job was claimed; a job handed back unharmed is not counted.';
COMMENT ON COLUMN public.background_jobs.locked_at IS
'When the worker last showed that it is alive; NULL unless running.';
COMMENT ON COLUMN public.background_jobs.locked_by IS
'The worker that runs the job; NULL unless running.';
