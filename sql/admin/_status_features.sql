-- How old the stored twins of the features are.

CREATE OR REPLACE FUNCTION recommender._status_features()
RETURNS TABLE (item text, value text, warning text)
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT
        x.item,
        coalesce(recommender._age_text(m.moment - x.as_of), 'never built') AS value,
        CASE
            WHEN x.is_missed THEN x.consequence || ': ' || x.cure
        END AS warning
    FROM (SELECT recommender.as_of() AS moment) AS m
    LEFT JOIN recommender.snapshot_moment AS s ON true
    CROSS JOIN LATERAL (
        VALUES
        (
            1, 'age of the features', s.as_of,
            EXISTS (SELECT FROM public.recommender_models)
            AND (s.as_of >= m.moment - interval '2 days') IS NOT TRUE,
            'the twins of bulk scoring are not built every night',
            'SELECT recommender.refresh_features()'
        ),
        (
            2, 'age of the upcoming events', s.upcoming_as_of,
            recommender._switch('recommendations_realtime_refresh_enabled')
            AND (s.upcoming_as_of >= m.moment - interval '15 minutes') IS NOT TRUE,
            'a student''s refresh has to read the plain views, which takes longer',
            'SELECT recommender.refresh_upcoming_events(), every five minutes'
        )
    ) AS x (item_no, item, as_of, is_missed, consequence, cure)
    ORDER BY x.item_no;
END;

COMMENT ON FUNCTION recommender._status_features() IS
'The rows of recommender.status on recommender.snapshot_moment.';
