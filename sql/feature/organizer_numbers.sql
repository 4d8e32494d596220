-- One row is one organizer of events that took place, and what is counted of them.

CREATE OR REPLACE VIEW recommender.organizer_numbers AS
SELECT
    h.organizer_id,
    h.age_weeks,
    h.recent_count,
    h.half_year_count,
    coalesce(a.half_year_audience, 0) AS half_year_audience,
    coalesce(a.recent_newcomer_count, 0) AS recent_newcomer_count
FROM (
    SELECT
        e.organizer_id,
        floor(date_part('day', (SELECT recommender.as_of_day()) - min(e.start_time)) / 7)
            AS age_weeks,
        count(*) FILTER (
            WHERE e.start_time >= (SELECT recommender.as_of_day()) - interval '90 days'
        ) AS recent_count,
        count(*) FILTER (
            WHERE e.start_time >= (SELECT recommender.as_of_day()) - interval '180 days'
        ) AS half_year_count
    FROM recommender.held_events AS e
    GROUP BY e.organizer_id
) AS h
LEFT JOIN (
    SELECT
        v.organizer_id,
        count(DISTINCT v.user_id) FILTER (
            WHERE v.start_time >= (SELECT recommender.as_of_day()) - interval '180 days'
        ) AS half_year_audience,
        count(*) FILTER (
            WHERE v.place = 1
                AND v.start_time >= (SELECT recommender.as_of_day()) - interval '90 days'
        ) AS recent_newcomer_count
    FROM (
        SELECT
            t.user_id,
            t.organizer_id,
            t.start_time,
            row_number() OVER (PARTITION BY t.user_id ORDER BY t.start_time, t.event_id) AS place
        FROM recommender.attendances AS t
    ) AS v
    GROUP BY v.organizer_id
) AS a ON a.organizer_id = h.organizer_id;

COMMENT ON VIEW recommender.organizer_numbers IS
'One row is one organizer of held_events: whole weeks since the first (age_weeks), how many events in 90 days (recent_count) and 180 (half_year_count), how many users attended in 180 days (half_year_audience), and for how many an event of the last 90 days was the first they ever attended (recent_newcomer_count). Up to recommender.as_of_day().';
