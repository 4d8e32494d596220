-- The test of the sample ratio on what the telemetry has.

CREATE OR REPLACE FUNCTION recommender._sample_ratio_check(p_from timestamptz, p_to timestamptz)
RETURNS jsonb
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- The bucket is a property of the student, so an unmarked impression, of which nobody knows
    -- whether its sort was chosen, is as likely in either bucket and counts. Guessing from the sort
    -- would not be: recommended for a student who is not treated can only be a choice, and leaving
    -- out just those would find too many treated ones.
    WITH experiment AS MATERIALIZED (
        SELECT p.experiment_percent FROM recommender.parameters AS p
    ),

    shown_students AS (
        SELECT
            i.user_id,
            bool_or(i.meta ? 'sort_explicit') AS is_marked
        FROM recommender.source_interactions AS i
        WHERE
            i.occurred_at BETWEEN p_from AND p_to
            AND i.interaction_type = 'impression'
            AND i.event_id IS NOT NULL
            AND (
                i.meta ->> 'source' = 'events_list'
                OR recommender.normalize_text(i.meta ->> 'source') = 'events_list'
            )
            AND (i.meta -> 'sort_explicit') IS DISTINCT FROM 'true'::jsonb
        GROUP BY i.user_id
    ),

    students AS (
        SELECT
            s.user_id,
            s.is_marked
        FROM shown_students AS s
        WHERE s.user_id IN (SELECT x.user_id FROM recommender.source_students AS x)
    ),

    counted AS (
        SELECT
            count(*) FILTER (WHERE b.is_treated) AS treated_count,
            count(*) FILTER (WHERE NOT b.is_treated) AS control_count,
            count(*) FILTER (WHERE NOT s.is_marked) AS unmarked_count,
            min(x.experiment_percent) AS experiment_percent
        FROM experiment AS x
        LEFT JOIN students AS s ON true
        LEFT JOIN LATERAL (
            SELECT
                recommender.experiment_bucket('personalization_ml_sort', s.user_id)
                < x.experiment_percent AS is_treated
        ) AS b ON true
    )

    SELECT
        recommender._test_sample_ratio(c.treated_count, c.control_count, c.experiment_percent)
        || jsonb_build_object('unmarked_students', c.unmarked_count)
    FROM counted AS c;
END;

COMMENT ON FUNCTION recommender._sample_ratio_check(timestamptz, timestamptz) IS
'_test_sample_ratio for the distinct students whom the events list was shown from p_from to p_to (both included), by their bucket of personalization_ml_sort and the percentage in force. Impressions whose meta says "sort_explicit": true do not count; those that do not say count, and unmarked_students is how many students have no other.';
