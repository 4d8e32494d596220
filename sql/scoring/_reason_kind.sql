-- Which sentence an attribute that a student and an event share speaks for.

CREATE OR REPLACE FUNCTION recommender._reason_kind(
    p_feature text, p_attribute text, p_organizer_id integer
)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_feature = 'series_share' THEN 'series'
        WHEN p_feature IN ('organizer_match', 'attended_organizer_age', 'new_series_share')
            THEN 'organizer'
        -- The organizer's own audience would say what organizer says.
        WHEN p_feature = 'co_attendance' AND p_attribute <> p_organizer_id::text
            THEN 'co_attendance'
        WHEN p_feature = 'overlap_interest_ratio' THEN 'interests'
    END;
END;

COMMENT ON FUNCTION recommender._reason_kind(text, text, integer) IS
'The kind of recommendation_reasons that an attribute in a feature speaks for, where the event is of this organizer: series, organizer, co_attendance or interests; NULL: none.';
