-- How many occurrences lie between two moments.

CREATE OR REPLACE FUNCTION recommender._count_occurrences(
    p_cron text, p_after timestamptz, p_before timestamptz
)
RETURNS integer
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_after timestamp := p_after AT TIME ZONE 'UTC';
    v_before timestamp := p_before AT TIME ZONE 'UTC';
    v_cron record;
BEGIN
    SELECT c.* INTO v_cron FROM recommender._parse_cron(p_cron) AS c;
    -- All of every day that matches, without those of the first and the last day that are outside.
    RETURN (
        SELECT least(coalesce(sum(
            cardinality(v_cron.hours) * cardinality(v_cron.minutes)
            - CASE WHEN d.day = v_after::date OR d.day = v_before::date
                THEN (
                    SELECT count(*)
                    FROM unnest(v_cron.hours) AS h (h)
                    CROSS JOIN unnest(v_cron.minutes) AS m (m)
                    WHERE
                        d.day + make_interval(hours => h.h, mins => m.m) <= v_after
                        OR d.day + make_interval(hours => h.h, mins => m.m) >= v_before
                )
                ELSE 0
            END
        ), 0), 2147483647)::integer
        FROM (
            SELECT v_after::date + n.n AS day
            FROM generate_series(0, v_before::date - v_after::date) AS n (n)
        ) AS d
        WHERE recommender._is_cron_day(
            d.day, v_cron.month_days, v_cron.months, v_cron.weekdays, v_cron.is_either
        )
    );
END;
$$;

COMMENT ON FUNCTION recommender._count_occurrences(text, timestamptz, timestamptz) IS
'How many occurrences of a cron expression are later than p_after and earlier than p_before, both finite; at most 2147483647. Raises ER053.';
