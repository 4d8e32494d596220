-- What could have been recommended at the moment (pg_temp.backtest_candidates), and how popular its
-- organizer was.

CREATE OR REPLACE FUNCTION recommender._backtest_candidates(p_lead interval, p_horizon interval)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
BEGIN
    DROP TABLE IF EXISTS pg_temp.backtest_candidates;
    CREATE TEMPORARY TABLE backtest_candidates AS
    SELECT
        (row_number() OVER (ORDER BY e.event_id))::integer - 1 AS event_no,
        e.event_id,
        e.organizer_id,
        e.start_time,
        e.publish_at,
        coalesce(o.registrations_per_event, 0) AS organizer_popularity
    FROM recommender.source_events AS e
    LEFT JOIN (
        SELECT
            p.organizer_id,
            sum(coalesce(s.seats_taken, 0))::double precision / count(*) AS registrations_per_event
        FROM recommender.source_events AS p
        LEFT JOIN recommender.event_seats AS s ON s.event_id = p.event_id
        WHERE
            p.is_known
            AND p.is_published
            AND p.start_time > v_as_of - interval '90 days'
            AND p.start_time <= v_as_of
        GROUP BY p.organizer_id
    ) AS o ON o.organizer_id = e.organizer_id
    WHERE
        e.is_known
        AND e.is_published
        AND e.start_time >= v_as_of + p_lead
        AND e.start_time < v_as_of + p_horizon;
    CREATE UNIQUE INDEX ON pg_temp.backtest_candidates (event_id);
    ANALYZE pg_temp.backtest_candidates;
END;
$$;

COMMENT ON FUNCTION recommender._backtest_candidates(interval, interval) IS
'Builds pg_temp.backtest_candidates: the events published and known at recommender.as_of() that start from p_lead (included) to p_horizon (excluded) after it, numbered from 0 by event_id; organizer_popularity is the organizer''s registrations per event that started in the 90 days before, 0 without any. Full events are among them: seat limits are not versioned.';
