-- Tells the session and the server's log of a run that somebody should know of.

CREATE OR REPLACE FUNCTION recommender._tell_schedule_run(
    p_name text, p_occurrence_at timestamptz, p_missed_count integer, p_error text
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    IF p_missed_count > 0 THEN
        RAISE WARNING USING MESSAGE = format(
            'schedule: %s was run once, at its occurrence of %s, for the %s before it that nobody ran',
            p_name, to_jsonb(p_occurrence_at) #>> '{}', p_missed_count
        );
    END IF;
    IF p_error IS NOT NULL THEN
        RAISE WARNING USING MESSAGE = format('schedule: %s failed: %s', p_name, p_error);
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._tell_schedule_run(text, timestamptz, integer, text) IS
'Raises a WARNING when a run of the schedule stands for earlier occurrences, and one when it failed.';
