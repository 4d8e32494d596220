-- Rebuilds the twins for a run's moment if somebody rebuilt them for another one.

CREATE OR REPLACE FUNCTION recommender._ensure_run_snapshot(p_run public.recommendation_runs)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    IF (SELECT m.as_of FROM recommender.snapshot_moment AS m) IS DISTINCT FROM p_run.as_of THEN
        PERFORM pg_advisory_xact_lock(recommender._lock_key('refresh_features'));
        -- Another connection of the run may have done it meanwhile.
        IF (
            SELECT m.as_of FROM recommender.snapshot_moment AS m
        ) IS DISTINCT FROM p_run.as_of THEN
            PERFORM recommender._refresh_for_run(p_run.id);
        END IF;
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._ensure_run_snapshot(public.recommendation_runs) IS
'Makes sure that the twins are of the run''s moment. Once a statement has read them, its lock keeps them from being rebuilt until commit; before that they may change again, so the writer looks a second time (_check_run_snapshot).';
