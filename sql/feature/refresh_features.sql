-- Builds the stored twins again, for recommender.as_of(); two at once take turns.

CREATE OR REPLACE FUNCTION recommender.refresh_features()
RETURNS timestamptz
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(recommender._lock_key('refresh_features'));
    PERFORM recommender._rebuild_twin('event_attributes_snapshot');
    PERFORM recommender._rebuild_twin('user_attribute_sources_snapshot');
    PERFORM recommender.refresh_upcoming_events();
    PERFORM recommender._rebuild_twin('user_profiles_snapshot');
    INSERT INTO public.recommender_snapshot (as_of, refreshed_at, is_extended)
    VALUES (recommender.as_of(), now(), recommender._has_extended_features())
    ON CONFLICT (is_the_only_row) DO UPDATE SET
        as_of = excluded.as_of,
        refreshed_at = excluded.refreshed_at,
        is_extended = excluded.is_extended;
    RETURN recommender.as_of();
END;
$$;

COMMENT ON FUNCTION recommender.refresh_features() IS
'Rebuilds event_attributes_snapshot and upcoming_attributes_snapshot (readers go on; left alone if nothing changed), user_attribute_sources_snapshot and user_profiles_snapshot for recommender.as_of() and notes that moment in snapshot_moment, in the caller''s transaction; calls at the same time take turns. Returns the moment. For the owner, recommender_worker and recommender_admin.';
