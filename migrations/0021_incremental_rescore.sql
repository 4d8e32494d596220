-- What a list was made from, so that a rescore of what changed finds who has to be rescored.

-- Columns without a default, or with a constant one: no table is rewritten.
ALTER TABLE public.recommendation_lists ADD COLUMN IF NOT EXISTS fingerprint bigint;
ALTER TABLE public.recommendation_lists ADD COLUMN IF NOT EXISTS due_run_id bigint;

ALTER TABLE public.recommendation_runs
ADD COLUMN IF NOT EXISTS is_full boolean NOT NULL DEFAULT true;
ALTER TABLE public.recommendation_runs ADD COLUMN IF NOT EXISTS due_count integer;
ALTER TABLE public.recommendation_runs ADD COLUMN IF NOT EXISTS basis_hash bigint;
ALTER TABLE public.recommendation_runs
ADD COLUMN IF NOT EXISTS events_noted_at timestamp with time zone;

-- One row is one event that could be in the lists: what they know of it. No foreign key: it is a
-- cache, and outlives an event that is removed.
CREATE TABLE IF NOT EXISTS public.recommendation_run_events (
    event_id integer PRIMARY KEY,
    attributes_hash bigint,
    start_time timestamp with time zone,
    seats_taken bigint
);

COMMENT ON COLUMN public.recommendation_lists.fingerprint IS
'user_profiles_snapshot.fingerprint of what the list was made from; NULL: unknown, so that recommender.rescore_changed writes it again.';
COMMENT ON COLUMN public.recommendation_lists.due_run_id IS
'The run that has to write this list and has not yet; NULL: none but runs of all students.';
COMMENT ON COLUMN public.recommendation_runs.is_full IS
'Whether it is of all students; false: of those whose headers name it (due_run_id).';
COMMENT ON COLUMN public.recommendation_runs.due_count IS
'How many students a run of some has to write; NULL: a run of all, or it is not known yet.';
COMMENT ON COLUMN public.recommendation_runs.basis_hash IS
'A hash of the model''s weights, the settings and the sentences it works with.';
COMMENT ON COLUMN public.recommendation_runs.events_noted_at IS
'When it noted its events in recommendation_run_events; NULL: not yet.';
COMMENT ON TABLE public.recommendation_run_events IS
'One row is one event as the lists know it: eligible in the last run of all students, or found new or changed since.';
COMMENT ON COLUMN public.recommendation_run_events.attributes_hash IS
'A hash of its attributes and values; NULL: lists may know it differently, so that it counts as changed.';
COMMENT ON COLUMN public.recommendation_run_events.seats_taken IS
'What its popularity came from.';
