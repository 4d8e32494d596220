-- One row is one attribute a student has from the events attended, and its weight: the student's
-- half of the extended features.
--
-- Only the student's own events are read, so that one student costs little and a weight changes
-- only when these do. Recency counts from the student's last event on, in whole days and whole
-- millionths: it does not age, and its sums do not depend on the order.

CREATE OR REPLACE VIEW recommender.attendance_attributes AS
SELECT
    g.user_id,
    g.feature,
    g.attribute,
    CASE g.feature
        WHEN 'series_share' THEN g.recent_count
        WHEN 'new_series_share' THEN g.recent_count
        WHEN 'attended_organizer_age' THEN 1
        WHEN 'attended_organizer_audience' THEN 1
        WHEN 'student_activity' THEN ln(1 + g.event_count::double precision)
        WHEN 'category_activity' THEN ln(1 + g.all_count::double precision)
        ELSE sqrt(g.recency / sum(g.recency) OVER (PARTITION BY g.user_id, g.feature))
    END AS weight
FROM (
    SELECT
        a.user_id,
        x.feature,
        x.attribute,
        count(*) AS event_count,
        max(a.all_count) AS all_count,
        count(*) FILTER (
            WHERE a.start_time >= (SELECT recommender.as_of_day()) - interval '180 days'
        ) AS recent_count,
        sum(a.recency)::double precision AS recency
    FROM (
        SELECT
            v.user_id,
            v.organizer_id,
            v.category,
            v.title,
            v.start_time,
            count(*) OVER (PARTITION BY v.user_id) AS all_count,
            round(1e6 * power(0.5::double precision, least(300, date_part('day',
                max(v.start_time) OVER (PARTITION BY v.user_id) - v.start_time
            ) / 60)))::bigint AS recency
        FROM recommender.attendances AS v
    ) AS a
    CROSS JOIN LATERAL (
        VALUES
        ('series_share', a.organizer_id || ' ' || recommender.title_letters(a.title)),
        ('new_series_share', a.organizer_id::text),
        ('attended_organizer_age', a.organizer_id::text),
        ('attended_organizer_audience', a.organizer_id::text),
        ('co_attendance', a.organizer_id::text),
        ('category_affinity', a.category),
        ('category_rarity', a.category),
        ('category_activity', a.category),
        ('student_activity', '')
    ) AS x (feature, attribute)
    WHERE x.attribute IS NOT NULL
    GROUP BY a.user_id, x.feature, x.attribute
) AS g
WHERE
    CASE g.feature
        WHEN 'series_share' THEN g.recent_count
        WHEN 'new_series_share' THEN g.recent_count
        WHEN 'attended_organizer_age' THEN 1
        WHEN 'attended_organizer_audience' THEN 1
        WHEN 'category_activity' THEN 1
        ELSE g.recency
    END > 0
UNION ALL
SELECT
    g.user_id,
    'title_words' AS feature,
    g.word AS attribute,
    1 / sqrt((count(*) OVER (PARTITION BY g.user_id))::double precision) AS weight
FROM (
    SELECT DISTINCT
        a.user_id,
        w.word
    FROM recommender.attendances AS a
    CROSS JOIN LATERAL recommender.title_words(a.title) AS w (word)
) AS g
UNION ALL
SELECT
    s.user_id,
    'newcomer_appeal' AS feature,
    '' AS attribute,
    1 AS weight
FROM recommender.source_students AS s
WHERE NOT EXISTS (
    SELECT
    FROM recommender.source_registrations AS r
    INNER JOIN recommender.held_events AS h ON h.event_id = r.event_id
    WHERE r.user_id = s.user_id
);

COMMENT ON VIEW recommender.attendance_attributes IS
'One row is one attribute of one user in an extended feature: (user_id, feature, attribute) is unique, none is NULL, weight is above 0. series_share and new_series_share: events of the series or organizer attended in 180 days; co_attendance, category_affinity and category_rarity: the root of the organizer''s or category''s share in what was attended, an event of 60 days before the last one counting half; title_words: 1 / the root of the number of words; student_activity and, for each category attended, category_activity: ln(1 + events attended, of any category); attended_organizer_age and attended_organizer_audience: 1; newcomer_appeal: 1 for who has not attended any. Depends on the user''s own events and on recommender.as_of_day() alone.';
