-- The occurrence of a cron expression that is nearest to a moment, after it or up to it.
--
-- The search ends: a weekday comes back to every date, February 29 included, within 40 years.

CREATE OR REPLACE FUNCTION recommender._find_occurrence(
    p_cron text, p_moment timestamptz, p_is_after boolean
)
RETURNS timestamptz
LANGUAGE plpgsql
IMMUTABLE
AS $$
DECLARE
    v_cron record;
    v_day date := (p_moment AT TIME ZONE 'UTC')::date;
    -- Occurrences are full minutes: the one that has begun is the last that may have been.
    v_minute integer := floor(extract(EPOCH FROM (p_moment AT TIME ZONE 'UTC')::time) / 60);
    v_any_minute integer := CASE WHEN p_is_after THEN -1 ELSE 1440 END;
    v_found integer;
BEGIN
    SELECT c.* INTO v_cron FROM recommender._parse_cron(p_cron) AS c;
    IF p_moment IS NULL OR NOT isfinite(p_moment) THEN
        RETURN NULL;
    END IF;
    LOOP
        IF extract(MONTH FROM v_day)::integer <> ALL (v_cron.months) THEN
            v_day := date_trunc('month', v_day::timestamp)::date
                + CASE WHEN p_is_after THEN interval '1 month' ELSE interval '-1 day' END;
            v_minute := v_any_minute;
            CONTINUE;
        END IF;
        IF recommender._is_cron_day(
            v_day, v_cron.month_days, v_cron.months, v_cron.weekdays, v_cron.is_either
        ) THEN
            v_found := recommender._find_minute(
                v_cron.hours, v_cron.minutes, v_minute, p_is_after
            );
            IF v_found IS NOT NULL THEN
                RETURN (v_day + v_found * interval '1 minute') AT TIME ZONE 'UTC';
            END IF;
        END IF;
        v_day := v_day + CASE WHEN p_is_after THEN 1 ELSE -1 END;
        v_minute := v_any_minute;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION recommender._find_occurrence(text, timestamptz, boolean) IS
'With p_is_after the earliest occurrence later than the moment, else the latest one not later than it. NULL for a moment that is NULL or infinite. Raises ER053.';
