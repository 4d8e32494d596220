-- Examples as they come in life: at the start of each window, what is known of students and events;
-- in it, who came for which of the events that could be recommended then.
--
-- So the model learns to tell, among events to come, those that are wanted. Examples of one moment
-- tell past events from future ones instead: what was wanted lies behind, with seats taken and no
-- days left. The newest window is not trained on: it judges (kinds holdout and holdout_negative)
-- and, sampled as the others are (kind calibration), says how often a pair comes by now.

CREATE OR REPLACE FUNCTION recommender.build_training_windows(
    p_seed bigint,
    p_negatives_per_positive integer DEFAULT 3,
    p_eval_negatives integer DEFAULT 50,
    p_window_count integer DEFAULT 4,
    p_window_days integer DEFAULT 14,
    p_feature_names text[] DEFAULT NULL
)
RETURNS TABLE (kind text, example_count bigint)
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
SET jit = 'off'
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_previous text := current_setting('recommender.as_of', true);
    v_length interval := make_interval(hours => 24 * p_window_days);
    v_feature_names text[] := coalesce(p_feature_names, recommender.feature_names());
    v_horizon interval;
    v_example_count bigint;
BEGIN
    PERFORM recommender._check_sampling(p_seed, p_negatives_per_positive, p_eval_negatives);
    IF
        (p_window_count BETWEEN 1 AND 1000) IS NOT TRUE
        OR (p_window_days BETWEEN 1 AND 365) IS NOT TRUE
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = format(
                'number and days of the windows are %s, %s',
                coalesce(p_window_count::text, 'NULL'), coalesce(p_window_days::text, 'NULL')
            ),
            HINT = 'give 1 to 1000 windows of 1 to 365 days';
    END IF;
    PERFORM recommender._label_windows(v_as_of, v_length, p_window_count);
    -- Where people register long before, an event far ahead may be what they come for.
    v_horizon := recommender._window_horizon(v_length, p_window_count);

    DROP TABLE IF EXISTS pg_temp.training_matrix;
    EXECUTE format(
        $sql$
        CREATE TEMPORARY TABLE training_matrix (
            example_no bigint, window_no integer, user_id integer, event_id integer,
            kind text, label integer, weight double precision, %s
        )
        $sql$,
        (
            SELECT string_agg(format('%I double precision', n.name), ', ' ORDER BY n.feature_no)
            FROM unnest(v_feature_names) WITH ORDINALITY AS n (name, feature_no)
        )
    );
    FOR v_window_no IN REVERSE p_window_count..0 LOOP
        v_example_count := coalesce(
            (SELECT max(m.example_no) FROM pg_temp.training_matrix AS m), 0
        );
        PERFORM recommender._set_as_of(v_as_of - (v_window_no + 1) * v_length);
        PERFORM recommender._sample_window(
            p_seed, v_window_no, v_horizon, p_negatives_per_positive, p_eval_negatives
        );
        PERFORM recommender._build_pair_features(v_feature_names);
        EXECUTE format(
            $sql$
            INSERT INTO pg_temp.training_matrix
            SELECT $1 + e.example_no, $2, e.user_id, e.event_id, e.kind, e.label, e.weight, %s
            FROM pg_temp.training_examples AS e
            INNER JOIN pg_temp.pair_features AS f ON f.pair_no = e.example_no
            ORDER BY e.example_no
            $sql$,
            (
                SELECT string_agg(format('f.features[%s]', n.feature_no), ', ' ORDER BY n.feature_no)
                FROM generate_subscripts(v_feature_names, 1) AS n (feature_no)
            )
        ) USING v_example_count, v_window_no;
    END LOOP;
    PERFORM set_config('recommender.as_of', coalesce(v_previous, ''), true);
    CREATE UNIQUE INDEX ON pg_temp.training_matrix (example_no);
    ANALYZE pg_temp.training_matrix;
    RETURN QUERY
    SELECT m.kind, count(*)
    FROM pg_temp.training_matrix AS m
    GROUP BY m.kind
    ORDER BY m.kind;
END;
$$;

COMMENT ON FUNCTION recommender.build_training_windows(
    bigint, integer, integer, integer, integer, text[]
) IS
'Builds pg_temp.training_matrix from p_window_count windows of p_window_days days that end one such window before recommender.as_of(), and that last one to judge by: one row per example with window_no (0 is the newest), kind, label, weight and a column for each of p_feature_names (NULL: recommender.feature_names()). Features are of the start of a window, a label is the strongest signal in it on an event that was eligible at its start and about which the student had said nothing; negatives are drawn from the same events. Examples of the newest window are of kind calibration; one positive a student of it comes again (holdout) with p_eval_negatives events it has to beat. Changes no shared relation; raises ER003 for numbers that are NULL or out of bounds. Returns the number of examples by kind.';
