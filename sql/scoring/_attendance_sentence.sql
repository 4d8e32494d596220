-- The sentence of a kind that speaks for attendances.

CREATE OR REPLACE FUNCTION recommender._attendance_sentence(
    p_templates recommender.reason_templates, p_kind text, p_organizer_name text
)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE p_kind
        WHEN 'series' THEN (p_templates).series
        WHEN 'organizer' THEN replace((p_templates).organizer, '%s', p_organizer_name)
        WHEN 'co_attendance' THEN replace((p_templates).co_attendance, '%s', p_organizer_name)
    END;
END;

COMMENT ON FUNCTION recommender._attendance_sentence(
    recommender.reason_templates, text, text
) IS
'The sentence of kind series, organizer or co_attendance, with the organizer''s name; NULL for any other kind, or where a name is needed and there is none.';
