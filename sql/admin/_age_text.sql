-- An age as people say it: one unit, rounded down.

CREATE OR REPLACE FUNCTION recommender._age_text(p_age interval)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT u.number || ' ' || u.unit || CASE WHEN u.number = 1 THEN '' ELSE 's' END
    FROM (
        -- The greatest of NULL and 0 would be 0.
        SELECT CASE WHEN p_age IS NOT NULL
            THEN greatest(date_part('epoch', p_age), 0)
        END AS seconds
    ) AS a
    CROSS JOIN LATERAL (
        VALUES
        (floor(a.seconds / 86400)::bigint, 'day', 2 * 86400),
        (floor(a.seconds / 3600)::bigint, 'hour', 2 * 3600),
        (floor(a.seconds / 60)::bigint, 'minute', 2 * 60),
        (floor(a.seconds)::bigint, 'second', 0)
    ) AS u (number, unit, least_seconds)
    WHERE a.seconds >= u.least_seconds
    ORDER BY u.least_seconds DESC
    LIMIT 1;
END;

COMMENT ON FUNCTION recommender._age_text(interval) IS
'An age in its largest unit of which there are two at least (days, hours, minutes, else seconds), rounded down: 36 hours, 2 days. Negative ages are 0 seconds; NULL gives NULL.';
