-- What a cron expression of five fields stands for.

CREATE OR REPLACE FUNCTION recommender._parse_cron(
    p_cron text,
    OUT minutes integer[],
    OUT hours integer[],
    OUT month_days integer[],
    OUT months integer[],
    OUT weekdays integer[],
    OUT is_either boolean
)
LANGUAGE plpgsql
IMMUTABLE
AS $$
DECLARE
    v_fields text[] := regexp_split_to_array(btrim(p_cron, E' \t'), '[ \t]+');
BEGIN
    IF cardinality(v_fields) = 5 IS NOT TRUE THEN
        PERFORM recommender._refuse_cron(format(
            'expected five fields, not %s', coalesce('"' || p_cron || '"', 'NULL')
        ));
    END IF;
    minutes := recommender._cron_field('minute', v_fields[1]);
    hours := recommender._cron_field('hour', v_fields[2]);
    month_days := recommender._cron_field('day of the month', v_fields[3]);
    months := recommender._cron_field('month', v_fields[4]);
    weekdays := recommender._cron_field('day of the week', v_fields[5]);
    -- Paul Vixie's rule, which pg_cron follows: a field that begins with * restricts no other.
    is_either := NOT (starts_with(v_fields[3], '*') OR starts_with(v_fields[5], '*'));
    IF NOT is_either AND NOT EXISTS (
        SELECT FROM unnest(months) AS m (m)
        WHERE month_days[1] <= CASE m.m
            WHEN 2 THEN 29 WHEN 4 THEN 30 WHEN 6 THEN 30 WHEN 9 THEN 30 WHEN 11 THEN 30 ELSE 31
        END
    ) THEN
        PERFORM recommender._refuse_cron(format(
            'no month "%s" has a day "%s", so it would never be', v_fields[4], v_fields[3]
        ));
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._parse_cron(text) IS
'The minutes, hours, days of the month, months and weekdays (0 is Sunday) of a cron expression, the least first. A day matches when its month does and both its day of the month and its weekday do; with is_either, one of them is enough. Raises ER053 for what is not valid, or would never be.';
