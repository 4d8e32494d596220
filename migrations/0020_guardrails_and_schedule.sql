-- What runs by itself leaves a trace: who made a model the active one and why, what each guardrail
-- saw and decided, and what the schedule ran when.

-- One row is one change of the active model. What guardrails may look at begins with the last
-- rollback or manual activation, and a rollback goes back along these rows.
CREATE TABLE IF NOT EXISTS public.model_activations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_version text NOT NULL,
    previous_version text,
    kind text NOT NULL,
    reason text,
    activated_by text NOT NULL,
    activated_at timestamptz NOT NULL,
    CONSTRAINT activation_kind_is_known CHECK (kind IN ('training', 'manual', 'rollback'))
);

-- Until now each model was activated when it was stored.
INSERT INTO public.model_activations (
    model_version, previous_version, kind, reason, activated_by, activated_at
)
SELECT
    m.model_version,
    lag(m.model_version) OVER (ORDER BY m.is_active, m.id),
    'training',
    'stored before activations were noted',
    'migration',
    m.created_at
FROM public.recommender_models AS m
WHERE NOT EXISTS (SELECT FROM public.model_activations)
ORDER BY m.is_active, m.id;

-- One row is one decision, with everything it was made from.
CREATE TABLE IF NOT EXISTS public.guardrail_evaluations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    evaluated_at timestamptz NOT NULL,
    window_from timestamptz,
    window_to timestamptz,
    method text NOT NULL,
    days integer NOT NULL,
    min_impressions integer NOT NULL,
    ctr_drop_ratio double precision NOT NULL,
    conversion_drop_ratio double precision NOT NULL,
    click_to_register_window_hours integer NOT NULL,
    recommended_impressions bigint,
    recommended_clicks bigint,
    recommended_conversions bigint,
    time_impressions bigint,
    time_clicks bigint,
    time_conversions bigint,
    statistics jsonb,
    action text NOT NULL,
    reason text NOT NULL,
    model_version text,
    target_version text,
    rescore_job_id bigint,
    CONSTRAINT guardrail_method_is_known CHECK (method IN ('ratio', 'sequential'))
);

-- What an admin has changed of the schedule that sql/ brings; NULL: as it comes.
CREATE TABLE IF NOT EXISTS public.recommender_schedule (
    name text PRIMARY KEY,
    cron text,
    is_enabled boolean
);

-- One row is one occurrence that was run, whoever's turn it was: the key lets nobody run it again.
CREATE TABLE IF NOT EXISTS public.schedule_runs (
    name text NOT NULL,
    occurrence_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    started_by text NOT NULL,
    missed_count integer NOT NULL DEFAULT 0,
    result jsonb,
    error text,
    PRIMARY KEY (name, occurrence_at)
);

COMMENT ON TABLE public.model_activations IS
'One row is one change of the active model.';
COMMENT ON COLUMN public.model_activations.previous_version IS
'The model that was active before; NULL: none.';
COMMENT ON COLUMN public.model_activations.kind IS
'training: a new model took over; manual: somebody chose it; rollback: a guardrail did.';
COMMENT ON COLUMN public.model_activations.activated_by IS
'The database role, or "user <id>" for an admin over HTTP.';
COMMENT ON COLUMN public.model_activations.activated_at IS
'recommender.as_of() of the activation.';
COMMENT ON TABLE public.guardrail_evaluations IS
'One row is one evaluation of the guardrails: what was compared, by which thresholds, the decision.';
COMMENT ON COLUMN public.guardrail_evaluations.window_from IS
'Traffic counts from here on, inclusive; NULL: the evaluation was switched off.';
COMMENT ON COLUMN public.guardrail_evaluations.window_to IS
'Traffic counts up to here, inclusive.';
COMMENT ON COLUMN public.guardrail_evaluations.statistics IS
'What method sequential computed, and the check of the sample ratio; NULL for method ratio.';
COMMENT ON COLUMN public.guardrail_evaluations.reason IS
'The decision in plain words.';
COMMENT ON COLUMN public.guardrail_evaluations.model_version IS
'The active model that was judged; NULL: none.';
COMMENT ON COLUMN public.guardrail_evaluations.target_version IS
'The model a rollback activated; NULL: none.';
COMMENT ON COLUMN public.guardrail_evaluations.rescore_job_id IS
'The job that rewrites the lists after a rollback; NULL: none.';
COMMENT ON TABLE public.recommender_schedule IS
'One row is what an admin changed of one entry of recommender.schedule; NULL: as it comes.';
COMMENT ON COLUMN public.recommender_schedule.cron IS
'Five fields, UTC.';
COMMENT ON TABLE public.schedule_runs IS
'One row is one occurrence of a schedule entry that was run; kept 30 days.';
COMMENT ON COLUMN public.schedule_runs.missed_count IS
'How many earlier occurrences nobody ran, for which this one stands.';
COMMENT ON COLUMN public.schedule_runs.started_by IS
'Who ran it: the application_name of the session.';
