-- What students said in each window that they had not said before (pg_temp.window_labels).

CREATE OR REPLACE FUNCTION recommender._label_windows(
    p_as_of timestamptz, p_length interval, p_window_count integer
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_previous text := current_setting('recommender.as_of', true);
BEGIN
    DROP TABLE IF EXISTS pg_temp.window_labels;
    CREATE TEMPORARY TABLE window_labels (
        window_no integer NOT NULL,
        user_id integer NOT NULL,
        event_id integer NOT NULL,
        label integer NOT NULL,
        weight double precision NOT NULL,
        PRIMARY KEY (user_id, event_id)
    );
    -- Window p_window_count + 1 is all that was said before the first.
    FOR v_window_no IN REVERSE (p_window_count + 1)..0 LOOP
        PERFORM recommender._set_as_of(p_as_of - v_window_no * p_length);
        INSERT INTO pg_temp.window_labels (window_no, user_id, event_id, label, weight)
        SELECT v_window_no, t.user_id, t.event_id, t.label, t.weight
        FROM recommender.training_labels AS t
        ON CONFLICT (user_id, event_id) DO NOTHING;
        ANALYZE pg_temp.window_labels;
    END LOOP;
    PERFORM set_config('recommender.as_of', coalesce(v_previous, ''), true);
END;
$$;

COMMENT ON FUNCTION recommender._label_windows(timestamptz, interval, integer) IS
'Builds pg_temp.window_labels: one row per (student, event) with a signal by p_as_of, with the window in which the first of them came (0 ends at p_as_of, 1 one length earlier; p_window_count + 1: before all windows), and label and weight at the end of that window.';
