-- The minute of a day that a cron expression means and that is nearest to another.

CREATE OR REPLACE FUNCTION recommender._find_minute(
    p_hours integer[], p_minutes integer[], p_minute integer, p_is_after boolean
)
RETURNS integer
LANGUAGE plpgsql
IMMUTABLE
AS $$
DECLARE
    v_hour integer := p_minute / 60;
BEGIN
    RETURN (
        SELECT CASE WHEN p_is_after THEN min(c.minute) ELSE max(c.minute) END
        FROM (
            SELECT v_hour * 60 + m.m AS minute
            FROM unnest(p_minutes) AS m (m)
            WHERE v_hour = ANY (p_hours) AND (m.m > p_minute - v_hour * 60) = p_is_after
            UNION ALL
            -- Of other hours the first or the last minute is the nearest.
            SELECT h.h * 60 + p_minutes[CASE WHEN p_is_after THEN 1 ELSE cardinality(p_minutes) END]
            FROM unnest(p_hours) AS h (h)
            WHERE h.h <> v_hour AND (h.h > v_hour) = p_is_after
        ) AS c
    );
END;
$$;

COMMENT ON FUNCTION recommender._find_minute(integer[], integer[], integer, boolean) IS
'Of the minutes of a day (0 to 1439) in these hours and minutes, both the least first: with p_is_after the first one later than p_minute (-1: of all), else the last one not later (1440: of all). NULL if there is none.';
