-- Eligible events by seats taken, then by start.

CREATE OR REPLACE FUNCTION recommender._popular_events(
    p_limit integer, p_excluded integer[], p_blocked integer[]
)
RETURNS TABLE (place integer, event_id integer, city text, city_name text)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
BEGIN
    RETURN QUERY
    SELECT
        row_number() OVER (
            ORDER BY e.seats_taken DESC, e.start_time, e.event_id
        )::integer,
        e.event_id,
        e.city,
        e.city_name
    FROM recommender.eligible_events AS e
    WHERE
        e.event_id NOT IN (SELECT unnest(p_excluded))
        AND coalesce(e.organizer_id <> ALL (p_blocked), true)
    ORDER BY 1
    LIMIT p_limit;
END;
$$;

COMMENT ON FUNCTION recommender._popular_events(integer, integer[], integer[]) IS
'Up to limit eligible events by seats taken, then start_time and id; without the excluded events and those of blocked organizers.';
