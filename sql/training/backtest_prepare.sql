-- Who is to be judged on what, had lists been made at a moment of the past: session tables.

CREATE OR REPLACE FUNCTION recommender.backtest_prepare(
    p_cutoff timestamptz,
    p_lead interval DEFAULT '2 hours',
    p_horizon interval DEFAULT '14 days',
    p_students integer DEFAULT NULL,
    p_seed bigint DEFAULT 1337,
    p_only_students boolean DEFAULT false
)
RETURNS TABLE (
    known_at timestamptz, candidate_count bigint, student_count bigint, judged_count bigint
)
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
SET jit = 'off'
SET timezone = 'UTC'
AS $$
DECLARE
    v_known_at timestamptz := recommender.as_of();
    v_moment text := coalesce(current_setting('recommender.as_of', true), '');
BEGIN
    IF
        (p_cutoff < v_known_at) IS NOT TRUE
        OR (p_lead >= interval '0' AND p_lead < p_horizon) IS NOT TRUE
        OR p_students < 1 OR p_seed IS NULL OR p_only_students IS NULL
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER003',
            MESSAGE = format(
                'cutoff, lead, horizon and students are %s, %s, %s and %s at %s',
                coalesce(p_cutoff::text, 'NULL'), coalesce(p_lead::text, 'NULL'),
                coalesce(p_horizon::text, 'NULL'), coalesce(p_students::text, 'all'), v_known_at
            ),
            HINT = 'give a cutoff before recommender.as_of(), a horizon longer than the lead, a '
                'seed, and at least one student';
    END IF;
    DROP TABLE IF EXISTS pg_temp.backtest_masked, pg_temp.backtest_truth;
    PERFORM recommender._set_as_of(p_cutoff);
    PERFORM recommender._backtest_candidates(p_lead, p_horizon);
    CREATE TEMPORARY TABLE backtest_masked AS
    SELECT r.user_id, r.event_no FROM recommender._backtest_registered(p_only_students) AS r;
    -- What is known today, less what was known then: the rest happened in between.
    PERFORM recommender._set_as_of(v_known_at);
    CREATE TEMPORARY TABLE backtest_truth AS
    SELECT r.user_id, r.event_no, coalesce(s.weight, 1) AS weight
    FROM (
        SELECT t.user_id, t.event_no FROM recommender._backtest_registered(p_only_students) AS t
        EXCEPT
        SELECT m.user_id, m.event_no FROM pg_temp.backtest_masked AS m
    ) AS r
    LEFT JOIN (
        SELECT x.user_id, c.event_no, max(x.weight) AS weight
        FROM recommender.training_signals AS x
        INNER JOIN pg_temp.backtest_candidates AS c ON c.event_id = x.event_id
        GROUP BY x.user_id, c.event_no
    ) AS s ON s.user_id = r.user_id AND s.event_no = r.event_no;
    PERFORM recommender._set_as_of(p_cutoff);
    PERFORM recommender._backtest_students(p_students, p_seed);
    PERFORM recommender._backtest_marks();
    PERFORM set_config('recommender.as_of', v_moment, true);
    RETURN QUERY
    SELECT
        v_known_at,
        (SELECT count(*) FROM pg_temp.backtest_candidates),
        (SELECT count(DISTINCT t.user_id) FROM pg_temp.backtest_truth AS t),
        (SELECT count(*) FROM pg_temp.backtest_students);
END;
$$;

COMMENT ON FUNCTION recommender.backtest_prepare(
    timestamptz, interval, interval, integer, bigint, boolean
) IS
'Builds what a backtest at p_cutoff is judged on, in temporary tables of this session: backtest_candidates (published and known at p_cutoff, starting from p_lead to p_horizon after it), backtest_truth (registrations for them in force at recommender.as_of(), the moment of the call, and not at p_cutoff; weight is what the signal weighs in training), backtest_masked (those in force at p_cutoff: neither candidate nor truth), backtest_students (who has a truth; at most p_students, drawn by a hash of p_seed) and backtest_marks. p_only_students leaves out accounts of other roles, which register as well. Returns the outer moment, the number of candidates, of people with a truth, and of those drawn. Changes no shared relation. Raises ER003 for a cutoff that is not before the moment, or bounds that make no sense.';
