-- One row is one series, events of an organizer with the same letters in the title, that was held.

CREATE OR REPLACE VIEW recommender.series_numbers AS
SELECT
    h.series,
    count(*) AS event_count,
    count(*) FILTER (
        WHERE h.start_time >= (SELECT recommender.as_of_day()) - interval '180 days'
    ) AS half_year_count,
    sum(coalesce(s.seats_taken, 0)) AS seats_taken
FROM (
    SELECT
        e.event_id,
        e.start_time,
        e.organizer_id || ' ' || recommender.title_letters(e.title) AS series
    FROM recommender.held_events AS e
    -- So that a title is reduced once.
    OFFSET 0  -- noqa: AM09
) AS h
LEFT JOIN recommender.event_seats AS s ON s.event_id = h.event_id
WHERE h.series IS NOT NULL
GROUP BY h.series;

COMMENT ON VIEW recommender.series_numbers IS
'One row is one series of held_events (organizer_id, a blank, recommender.title_letters): how many events, how many of them in 180 days, and how many seats were taken in all.';
