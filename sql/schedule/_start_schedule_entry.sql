-- Notes the moment from which on the occurrences of an entry count.

CREATE OR REPLACE FUNCTION recommender._start_schedule_entry(p_name text)
RETURNS void
LANGUAGE sql
VOLATILE
BEGIN ATOMIC
    INSERT INTO public.schedule_runs (name, occurrence_at, started_at, started_by)
    VALUES (
        p_name, recommender.as_of(), recommender.as_of(), recommender._schedule_runner()
    )
    ON CONFLICT (name, occurrence_at) DO NOTHING;
END;

COMMENT ON FUNCTION recommender._start_schedule_entry(text) IS
'Writes a row of schedule_runs for recommender.as_of() without finished_at: nothing was run, and what was earlier is neither due nor missed. The next occurrence is the first.';
