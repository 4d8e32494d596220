-- What a feature is called where people read it.

CREATE OR REPLACE FUNCTION recommender._feature_label(p_feature text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE p_feature
        WHEN 'bias' THEN 'every event alike'
        WHEN 'overlap_interest_ratio' THEN 'tags of interest'
        WHEN 'overlap_history_ratio' THEN 'tags of earlier events'
        WHEN 'same_city' THEN 'in the student''s city'
        WHEN 'category_match' THEN 'a category the student likes'
        WHEN 'organizer_match' THEN 'an organizer of earlier events'
        WHEN 'popularity' THEN 'popularity'
        WHEN 'days_until' THEN 'days until it starts'
        WHEN 'series_share' THEN 'a series that was attended'
        WHEN 'new_series_share' THEN 'a new series of a known organizer'
        WHEN 'attended_organizer_age' THEN 'age of a known organizer'
        WHEN 'co_attendance' THEN 'people of the same organizers come'
        WHEN 'category_affinity' THEN 'goes well with categories attended'
        WHEN 'category_rarity' THEN 'a rare category that was attended'
        WHEN 'title_words' THEN 'title like those attended'
        WHEN 'newcomer_appeal' THEN 'newcomers come to it'
        WHEN 'organizer_event_count' THEN 'events of its organizer'
        WHEN 'organizer_audience' THEN 'audience of its organizer'
        WHEN 'organizer_age' THEN 'age of its organizer'
        WHEN 'series_is_new' THEN 'first of its series'
        WHEN 'series_audience' THEN 'audience of its series'
        WHEN 'student_activity' THEN 'how much the student attends'
        WHEN 'category_activity' THEN 'how much, in a known category'
        WHEN 'attended_organizer_audience' THEN 'audience of a known organizer'
        ELSE p_feature
    END;
END;

COMMENT ON FUNCTION recommender._feature_label(text) IS
'A few words for a feature of recommender.feature_names; the feature itself where it is of no set.';
