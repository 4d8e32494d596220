-- Whether the event side may be read from its twin for a moment.
--
-- The moment has to be the twin's or shortly after it: an earlier one must not see what the twin
-- does. The twin has to have been built shortly ago, because edits of events are not versioned:
-- before a moment that stands still they would stay hidden for ever. It is built every five minutes
-- while students' lists are refreshed; twice that is what a late turn may take.

CREATE OR REPLACE FUNCTION recommender._has_fresh_upcoming(
    p_as_of timestamptz, p_age interval, p_is_extended boolean DEFAULT false
)
RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM recommender.snapshot_moment AS m
        WHERE
            p_as_of BETWEEN m.upcoming_as_of AND m.upcoming_as_of + p_age
            AND m.upcoming_refreshed_at >= now() - p_age
            AND (m.upcoming_is_extended OR NOT p_is_extended)
    );
END;
$$;

COMMENT ON FUNCTION recommender._has_fresh_upcoming(timestamptz, interval, boolean) IS
'Whether upcoming_attributes_snapshot is of that moment or at most p_age before it, was built within the last p_age, and has the extended features if p_is_extended.';
