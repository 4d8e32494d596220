-- One row is one (student, event) pair with the features of the extended set: their definition.
--
-- The shape of user_event_features. Everybody has the attribute that makes a number of the event a
-- feature, and every event that of the student's numbers.

CREATE OR REPLACE VIEW recommender.extended_user_event_features AS
SELECT
    p.user_id,
    p.event_id,
    e.bias,
    coalesce(p.overlap_interest_ratio, 0) AS overlap_interest_ratio,
    coalesce(p.overlap_history_ratio, 0) AS overlap_history_ratio,
    coalesce(p.same_city, 0) AS same_city,
    coalesce(p.organizer_match, 0) AS organizer_match,
    e.popularity,
    coalesce(p.series_share, 0) AS series_share,
    coalesce(p.new_series_share, 0) AS new_series_share,
    coalesce(p.attended_organizer_age, 0) AS attended_organizer_age,
    coalesce(p.co_attendance, 0) AS co_attendance,
    coalesce(p.category_affinity, 0) AS category_affinity,
    coalesce(p.category_rarity, 0) AS category_rarity,
    coalesce(p.title_words, 0) AS title_words,
    coalesce(p.newcomer_appeal, 0) AS newcomer_appeal,
    coalesce(p.organizer_event_count, 0) AS organizer_event_count,
    coalesce(p.organizer_audience, 0) AS organizer_audience,
    coalesce(p.organizer_age, 0) AS organizer_age,
    coalesce(p.series_is_new, 0) AS series_is_new,
    coalesce(p.series_audience, 0) AS series_audience,
    coalesce(p.student_activity, 0) AS student_activity,
    coalesce(p.category_activity, 0) AS category_activity,
    coalesce(p.attended_organizer_audience, 0) AS attended_organizer_audience
FROM (
    SELECT
        s.user_id,
        ea.event_id,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'overlap_interest_ratio'
        ) AS overlap_interest_ratio,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'overlap_history_ratio'
        ) AS overlap_history_ratio,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'same_city'
        ) AS same_city,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'organizer_match'
        ) AS organizer_match,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'series_share'
        ) AS series_share,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'new_series_share'
        ) AS new_series_share,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'attended_organizer_age'
        ) AS attended_organizer_age,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'co_attendance'
        ) AS co_attendance,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'category_affinity'
        ) AS category_affinity,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'category_rarity'
        ) AS category_rarity,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'title_words'
        ) AS title_words,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'newcomer_appeal'
        ) AS newcomer_appeal,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'organizer_event_count'
        ) AS organizer_event_count,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'organizer_audience'
        ) AS organizer_audience,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'organizer_age'
        ) AS organizer_age,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'series_is_new'
        ) AS series_is_new,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'series_audience'
        ) AS series_audience,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'student_activity'
        ) AS student_activity,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'category_activity'
        ) AS category_activity,
        sum(ua.weight * ea.value) FILTER (
            WHERE ea.feature = 'attended_organizer_audience'
        ) AS attended_organizer_audience
    FROM recommender.source_students AS s
    CROSS JOIN LATERAL (
        SELECT
            u.feature,
            u.attribute,
            u.weight
        FROM recommender.user_attributes AS u
        WHERE u.user_id = s.user_id
        UNION ALL
        SELECT
            n.feature,
            '' AS attribute,
            1 AS weight
        FROM unnest(recommender.feature_names('extended')) AS n (feature)
        WHERE recommender.feature_kind(n.feature) = 'event'
    ) AS ua
    INNER JOIN (
        SELECT
            a.event_id,
            a.feature,
            a.attribute,
            a.value
        FROM recommender.event_attributes AS a
        UNION ALL
        SELECT
            b.event_id,
            n.feature,
            '' AS attribute,
            1 AS value
        FROM recommender.source_events AS b
        CROSS JOIN (VALUES ('bias'), ('student_activity')) AS n (feature)
    ) AS ea ON ea.feature = ua.feature AND ea.attribute = ua.attribute
    GROUP BY s.user_id, ea.event_id
) AS p
INNER JOIN recommender.event_features AS e ON e.event_id = p.event_id;

COMMENT ON VIEW recommender.extended_user_event_features IS
'One row is one (student, event that is not deleted) pair with the features of recommender.feature_names(''extended''), in order, at recommender.as_of(); none is NULL. Those beyond the reference''s are 0 unless they are asked for (RECOMMENDER_FEATURE_SET, or the model that scores), and for events that have started or are not known yet. Ask for students or events, as of user_event_features.';

COMMENT ON COLUMN recommender.extended_user_event_features.series_share IS
'The student goes to this series often: how much of what it held in 180 days was attended, events attended / (1 + events held). 0 without a title or for a series not held lately.';
COMMENT ON COLUMN recommender.extended_user_event_features.new_series_share IS
'The student goes to this organizer often, and this is something new: events of it attended in 180 days / (1 + events held), where the series was never held; 0 else, and without a title.';
COMMENT ON COLUMN recommender.extended_user_event_features.attended_organizer_age IS
'The student has been with this organizer, who has been around: ln(1 + weeks since its first event); 0 who has not been there.';
COMMENT ON COLUMN recommender.extended_user_event_features.co_attendance IS
'People who go where the student goes also go to this organizer: the affinities (organizer_affinities) of the organizers attended, each by the root of its share in what was attended lately.';
COMMENT ON COLUMN recommender.extended_user_event_features.category_affinity IS
'People of the student''s categories go to this one too, or keep away: the affinities (category_affinities) of the categories attended, each by the root of its share in what was attended lately; below 0 who keeps away. 0 without a category.';
COMMENT ON COLUMN recommender.extended_user_event_features.category_rarity IS
'The student goes to this category, and few do: the root of its share in what was attended lately, times -ln(its share in all attendances); 0 who has not been there, and without a category.';
COMMENT ON COLUMN recommender.extended_user_event_features.title_words IS
'The title sounds like those of the events attended: what words they share, the rarer the more. 0 without a title.';
COMMENT ON COLUMN recommender.extended_user_event_features.newcomer_appeal IS
'People start here: ln(1 + users whose first event ever was one of the organizer''s of 90 days / those events), for a student who has not attended any event; 0 else.';
COMMENT ON COLUMN recommender.extended_user_event_features.organizer_event_count IS
'How busy the organizer is: ln(1 + its events in 90 days).';
COMMENT ON COLUMN recommender.extended_user_event_features.organizer_audience IS
'How many the organizer reaches: ln(1 + different users at its events in 180 days).';
COMMENT ON COLUMN recommender.extended_user_event_features.organizer_age IS
'How long the organizer has been around: ln(1 + weeks since its first event).';
COMMENT ON COLUMN recommender.extended_user_event_features.series_is_new IS
'This is no repetition: 1 if the series was never held; 0 if it was, and without a title.';
COMMENT ON COLUMN recommender.extended_user_event_features.series_audience IS
'How many came before: ln(1 + seats taken per event of the series); 0 if it was never held, and without a title.';
COMMENT ON COLUMN recommender.extended_user_event_features.student_activity IS
'How much the student goes out: ln(1 + events attended). The same for all events: it orders nothing.';
COMMENT ON COLUMN recommender.extended_user_event_features.category_activity IS
'The student knows this category, and goes out much: ln(1 + events attended, of any category); 0 who has not been to the category, and without one. It keeps student_activity, which says how little any one event means to who goes to many, from saying it of events of a known kind.';
COMMENT ON COLUMN recommender.extended_user_event_features.attended_organizer_audience IS
'The student has been with this organizer, and many have: ln(1 + different users at its events in 180 days); 0 who has not been there.';
