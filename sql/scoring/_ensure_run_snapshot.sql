-- Makes the twins be of a run's moment, and stay so until commit.

CREATE OR REPLACE FUNCTION recommender._ensure_run_snapshot(p_run public.recommendation_runs)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    IF NOT recommender._is_run_snapshot(p_run) THEN
        PERFORM pg_advisory_xact_lock(recommender._lock_key('refresh_features'));
        -- Another connection of the run may have done it meanwhile.
        IF NOT recommender._is_run_snapshot(p_run) THEN
            PERFORM recommender._refresh_for_run(p_run.id);
        END IF;
        RETURN true;
    END IF;
    -- Sharing the lock keeps others from rebuilding them. If somebody just did, this transaction
    -- must end before it may take the lock alone: two that share it would wait for each other.
    PERFORM pg_advisory_xact_lock_shared(recommender._lock_key('refresh_features'));
    RETURN recommender._is_run_snapshot(p_run);
END;
$$;

COMMENT ON FUNCTION recommender._ensure_run_snapshot(public.recommendation_runs) IS
'Rebuilds the twins if they are of another moment than the run''s or lack what its model needs, and keeps them from being rebuilt until commit. false: they were rebuilt at this very moment; end the transaction and call again.';
