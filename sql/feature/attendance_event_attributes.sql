-- One row is one attribute of one known event to come in the extended features, and its value: the
-- event's half. All that is counted over everybody is here, and holds still for a day.

CREATE OR REPLACE VIEW recommender.attendance_event_attributes AS
WITH upcoming AS MATERIALIZED (
    SELECT
        e.event_id,
        e.organizer_id,
        e.category,
        e.title,
        e.organizer_id || ' ' || recommender.title_letters(e.title) AS series
    FROM recommender.source_events AS e
    WHERE e.is_known AND e.start_time >= (SELECT recommender.as_of())
),

organizers AS MATERIALIZED (
    SELECT
        n.organizer_id,
        n.age_weeks,
        n.recent_count,
        n.half_year_count,
        n.half_year_audience,
        n.recent_newcomer_count
    FROM recommender.organizer_numbers AS n
),

series AS (
    SELECT
        u.event_id,
        u.organizer_id,
        u.series,
        coalesce(s.event_count, 0) AS event_count,
        coalesce(s.half_year_count, 0) AS half_year_count,
        coalesce(s.seats_taken, 0)::double precision AS seats_taken
    FROM upcoming AS u
    LEFT JOIN recommender.series_numbers AS s ON s.series = u.series
    WHERE u.series IS NOT NULL
),

category_shares AS (
    SELECT
        c.category,
        (1.0 + c.visit_count) / sum(1.0 + c.visit_count) OVER () AS share
    FROM (
        SELECT
            a.category,
            count(*) AS visit_count
        FROM recommender.attendances AS a
        WHERE a.category IS NOT NULL
        GROUP BY a.category
    ) AS c
),

words AS (
    SELECT
        u.event_id,
        t.word,
        r.rarity,
        sum(r.rarity * r.rarity) OVER (PARTITION BY u.event_id) AS squares
    FROM upcoming AS u
    CROSS JOIN LATERAL recommender.title_words(u.title) AS t (word)
    INNER JOIN recommender.word_rarities AS r ON r.word = t.word
)

SELECT
    u.event_id,
    x.feature,
    x.attribute,
    x.value
FROM upcoming AS u
INNER JOIN organizers AS o ON o.organizer_id = u.organizer_id
CROSS JOIN LATERAL (
    VALUES
    ('attended_organizer_age', o.organizer_id::text, ln(1 + o.age_weeks)),
    (
        'attended_organizer_audience', o.organizer_id::text,
        ln(1 + o.half_year_audience::double precision)
    ),
    ('organizer_age', '', ln(1 + o.age_weeks)),
    ('organizer_event_count', '', ln(1 + o.recent_count::double precision)),
    ('organizer_audience', '', ln(1 + o.half_year_audience::double precision)),
    (
        'newcomer_appeal', '',
        ln(1 + o.recent_newcomer_count / greatest(o.recent_count, 1)::double precision)
    )
) AS x (feature, attribute, value)
WHERE x.value > 0
UNION ALL
SELECT
    s.event_id,
    x.feature,
    x.attribute,
    x.value
FROM series AS s
LEFT JOIN organizers AS o ON o.organizer_id = s.organizer_id
CROSS JOIN LATERAL (
    VALUES
    (
        'series_share', s.series,
        CASE WHEN s.half_year_count > 0 THEN 1 / (1 + s.half_year_count::double precision) END
    ),
    (
        'new_series_share', s.organizer_id::text,
        CASE WHEN s.event_count = 0 AND o.half_year_count > 0
            THEN 1 / (1 + o.half_year_count::double precision)
        END
    ),
    ('series_is_new', '', CASE WHEN s.event_count = 0 THEN 1 END),
    ('series_audience', '', ln(1 + s.seats_taken / greatest(s.event_count, 1)))
) AS x (feature, attribute, value)
WHERE x.value > 0
UNION ALL
SELECT
    u.event_id,
    'co_attendance' AS feature,
    f.other_id::text AS attribute,
    f.affinity AS value
FROM upcoming AS u
INNER JOIN recommender.organizer_affinities AS f ON f.organizer_id = u.organizer_id
UNION ALL
SELECT
    u.event_id,
    'category_affinity' AS feature,
    f.other_category AS attribute,
    f.affinity AS value
FROM upcoming AS u
INNER JOIN recommender.category_affinities AS f ON f.category = u.category
UNION ALL
SELECT
    u.event_id,
    'category_rarity' AS feature,
    u.category AS attribute,
    -ln(c.share)::double precision AS value
FROM upcoming AS u
INNER JOIN category_shares AS c ON c.category = u.category
WHERE c.share < 1
UNION ALL
SELECT
    u.event_id,
    'category_activity' AS feature,
    u.category AS attribute,
    1 AS value
FROM upcoming AS u
WHERE u.category IS NOT NULL
UNION ALL
SELECT
    w.event_id,
    'title_words' AS feature,
    w.word AS attribute,
    w.rarity * w.rarity / (1000 * sqrt(w.squares::double precision)) AS value
FROM words AS w;

COMMENT ON VIEW recommender.attendance_event_attributes IS
'One row is one attribute of one event that is known and has not started in an extended feature: (event_id, feature, attribute) is unique, none is NULL, value is not 0 (below it in category_affinity only); attribute is empty in what is the event''s alone. An event of an organizer or series that nobody attended, or without a title or category, has no rows of what that would need, and the feature is 0. Up to recommender.as_of_day().';
