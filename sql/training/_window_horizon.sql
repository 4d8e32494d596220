-- How far ahead events lie that students take in a window.

CREATE OR REPLACE FUNCTION recommender._window_horizon(
    p_length interval, p_window_count integer
)
RETURNS interval
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_days integer;
BEGIN
    SELECT
        percentile_disc(0.95) WITHIN GROUP (ORDER BY ceil(
            date_part(
                'epoch', e.start_time - (v_as_of - (w.window_no + 1) * p_length)
            ) / 86400
        ))
    INTO v_days
    FROM pg_temp.window_labels AS w
    INNER JOIN recommender.source_events AS e ON e.event_id = w.event_id
    WHERE
        w.label = 1
        AND w.window_no <= p_window_count
        AND e.start_time > v_as_of - (w.window_no + 1) * p_length
        AND isfinite(e.start_time);
    RETURN greatest(p_length, make_interval(hours => 24 * coalesce(v_days, 0)));
END;
$$;

COMMENT ON FUNCTION recommender._window_horizon(interval, integer) IS
'Whole days from the start of a window within which 19 of 20 events start that students wanted in it, by the windows 0 to p_window_count of pg_temp.window_labels; at least the length of the window. Events further ahead are no candidates of a window: negatives so far off would teach that near is wanted.';
