-- Whether a cron expression means this day.

CREATE OR REPLACE FUNCTION recommender._is_cron_day(
    p_day date,
    p_month_days integer[],
    p_months integer[],
    p_weekdays integer[],
    p_is_either boolean
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        array_position(p_months, extract(MONTH FROM p_day)::integer) IS NOT NULL
        AND CASE WHEN p_is_either
            THEN
                array_position(p_month_days, extract(DAY FROM p_day)::integer) IS NOT NULL
                OR array_position(p_weekdays, extract(DOW FROM p_day)::integer) IS NOT NULL
            ELSE
                array_position(p_month_days, extract(DAY FROM p_day)::integer) IS NOT NULL
                AND array_position(p_weekdays, extract(DOW FROM p_day)::integer) IS NOT NULL
        END;
END;

COMMENT ON FUNCTION recommender._is_cron_day(date, integer[], integer[], integer[], boolean) IS
'Whether a day matches what recommender._parse_cron has read.';
