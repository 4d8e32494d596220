-- Builds the twin again that students' refreshes read: new and edited events reach their lists.

CREATE OR REPLACE FUNCTION recommender.refresh_upcoming_events()
RETURNS timestamptz
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(recommender._lock_key('refresh_upcoming'));
    PERFORM recommender._rebuild_twin('upcoming_attributes_snapshot');
    INSERT INTO public.recommender_snapshot (
        upcoming_as_of, upcoming_refreshed_at, upcoming_is_extended
    )
    VALUES (recommender.as_of(), now(), recommender._has_extended_features())
    ON CONFLICT (is_the_only_row) DO UPDATE SET
        upcoming_as_of = excluded.upcoming_as_of,
        upcoming_refreshed_at = excluded.upcoming_refreshed_at,
        upcoming_is_extended = excluded.upcoming_is_extended;
    RETURN recommender.as_of();
END;
$$;

COMMENT ON FUNCTION recommender.refresh_upcoming_events() IS
'Rebuilds upcoming_attributes_snapshot for recommender.as_of() (readers go on), notes that moment in snapshot_moment, and returns it; bulk runs are not disturbed. A student''s refresh that finds the twin older than five minutes asks for it by a job of this name. For the owner, recommender_worker and recommender_admin.';
