-- Whose a feature is: the event's, the student's, or what both share.

CREATE OR REPLACE FUNCTION recommender.feature_kind(p_feature text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_feature IN (
            'bias', 'popularity', 'days_until', 'organizer_event_count', 'organizer_audience',
            'organizer_age', 'series_is_new', 'series_audience'
        ) THEN 'event'
        WHEN p_feature = 'student_activity' THEN 'student'
        ELSE 'shared'
    END;
END;

COMMENT ON FUNCTION recommender.feature_kind(text) IS
'event: a number of the event alone, the same for all students (event_numbers); student: of the student alone, the same for all events (user_numbers), so that it orders nothing; shared: the sum, over the attributes that both have, of weight times value.';
