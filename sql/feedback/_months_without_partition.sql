-- One row is one month of a range that no partition of event_interactions holds any of.

CREATE OR REPLACE FUNCTION recommender._months_without_partition(p_from date, p_to date)
RETURNS SETOF date
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT m.month_start::date
    FROM generate_series(
        date_trunc('month', p_from::timestamp), p_to::timestamp, interval '1 month'
    ) AS m (month_start)
    WHERE
        -- What is partitioned otherwise is left as it is; so is a month whose name is taken.
        EXISTS (SELECT FROM recommender._interaction_partitions())
        AND to_regclass('public.event_interactions_' || to_char(m.month_start, 'YYYY_MM')) IS NULL
        AND NOT EXISTS (
            SELECT FROM recommender._interaction_partitions() AS p
            WHERE
                p.from_at < (m.month_start + interval '1 month') AT TIME ZONE 'UTC'
                AND p.to_at > m.month_start AT TIME ZONE 'UTC'
        )
    ORDER BY m.month_start;
END;
$$;

COMMENT ON FUNCTION recommender._months_without_partition(date, date) IS
'The first days of the months (UTC) from the month of p_from to that of p_to which no partition overlaps, and whose partition''s name is free; none where event_interactions is not partitioned by ranges of occurred_at.';
