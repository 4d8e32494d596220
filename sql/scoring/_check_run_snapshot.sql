-- Refuses lists computed from twins of another moment than the run's.

CREATE OR REPLACE FUNCTION recommender._check_run_snapshot(p_run public.recommendation_runs)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_as_of timestamptz := (SELECT m.as_of FROM recommender.snapshot_moment AS m);
BEGIN
    IF v_as_of IS DISTINCT FROM p_run.as_of THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER033',
            MESSAGE = format(
                'run %s speaks for %s, but the twins were rebuilt for %s',
                p_run.id, p_run.as_of, v_as_of
            ),
            HINT = 'another run or refresh came between: go on with --resume (p_resume => true)';
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._check_run_snapshot(public.recommendation_runs) IS
'Raises ER033 when recommender.snapshot_moment is not the run''s moment. After a statement that read the twins it holds for that statement: its lock keeps them from being rebuilt until commit.';
