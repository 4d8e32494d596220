-- How many of the events that may be recommended are in somebody's list.

CREATE OR REPLACE FUNCTION recommender._desk_coverage()
RETURNS json
LANGUAGE sql
STABLE
BEGIN ATOMIC
    WITH listed_events AS (
        SELECT
            r.event_id,
            min(r.rank) AS best_rank
        FROM public.user_recommendations AS r
        GROUP BY r.event_id
    ),

    counts AS (
        SELECT
            count(*) AS eligible_events,
            count(l.event_id) AS in_lists,
            count(*) FILTER (WHERE l.best_rank <= 10) AS in_first_ten
        FROM recommender.eligible_events AS e
        LEFT JOIN listed_events AS l ON l.event_id = e.event_id
    )

    SELECT json_build_object(
        'eligible_events', c.eligible_events,
        'in_lists', c.in_lists,
        'in_first_ten', c.in_first_ten,
        'first_ten_share', c.in_first_ten::double precision / nullif(c.eligible_events, 0)
    )
    FROM counts AS c;
END;

COMMENT ON FUNCTION recommender._desk_coverage() IS
'An object: how many events may be recommended at recommender.as_of() (eligible_events), how many of them are in a stored list at all (in_lists), and among the first ten of one (in_first_ten); first_ten_share is in_first_ten / eligible_events, null without any.';
