-- What there is to recommend, and to whom.

CREATE OR REPLACE FUNCTION recommender._status_data()
RETURNS TABLE (item text, value text, warning text)
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT
        'students' AS item,
        to_char(s.student_count, 'FM999,999,999,990') AS value,
        CASE WHEN s.student_count = 0
            THEN 'there are no students: load the app''s tables (scripts/load_dataset.py), or make'
                ' some up (scripts/generate_population.py)'
        END AS warning
    FROM (SELECT count(*) AS student_count FROM recommender.source_students) AS s
    UNION ALL
    SELECT
        'events to recommend' AS item,
        to_char(e.event_count, 'FM999,999,999,990') AS value,
        CASE WHEN e.event_count = 0
            THEN 'no event can be recommended: none is published, to come and not full'
        END AS warning
    FROM (SELECT count(*) AS event_count FROM recommender.eligible_events) AS e;
END;

COMMENT ON FUNCTION recommender._status_data() IS
'The rows of recommender.status on the students and events.';
