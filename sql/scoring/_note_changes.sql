-- Notes the changed events as they are now: whoever they matter to is marked with it.

CREATE OR REPLACE FUNCTION recommender._note_changes()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    DELETE FROM public.recommendation_run_events AS n
    USING pg_temp.scoring_changes AS c
    WHERE c.event_id = n.event_id AND NOT c.is_eligible;
    INSERT INTO public.recommendation_run_events (
        event_id, attributes_hash, start_time, seats_taken
    )
    SELECT
        c.event_id, c.attributes_hash, c.start_time, c.seats_taken
    FROM pg_temp.scoring_changes AS c
    WHERE c.is_changed AND c.is_eligible
    ORDER BY c.event_id
    ON CONFLICT (event_id) DO UPDATE SET
        attributes_hash = excluded.attributes_hash,
        start_time = excluded.start_time,
        seats_taken = excluded.seats_taken;
END;
$$;

COMMENT ON FUNCTION recommender._note_changes() IS
'Brings recommendation_run_events up to date with pg_temp.scoring_changes: changed events as they are, events that are no longer eligible removed.';
