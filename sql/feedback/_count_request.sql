-- Counts one telemetry request of a client; the seconds to wait if it is one too many.
--
-- The row is the client's turn, too: requests of one client pass one after the other. So the clock
-- is read when the turn has come: a transaction that began earlier may get it later.

CREATE OR REPLACE FUNCTION recommender._count_request(p_client text)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_limit integer;
    v_window interval;
BEGIN
    SELECT
        p.rate_limit_count,
        p.rate_window_seconds * interval '1 second'
    INTO v_limit, v_window
    FROM recommender.parameters AS p;
    -- A window that ends later than one begun now is of a longer setting, or of a clock put back.
    INSERT INTO public.analytics_rate_limits AS r (client, request_count, window_ends_at)
    VALUES (p_client, 1, clock_timestamp() + v_window)
    ON CONFLICT (client) DO UPDATE SET (request_count, window_ends_at) = (
        SELECT
            CASE
                WHEN r.window_ends_at > c.time AND r.window_ends_at <= c.time + v_window
                    THEN r.request_count + 1
                ELSE 1
            END,
            CASE
                WHEN r.window_ends_at > c.time AND r.window_ends_at <= c.time + v_window
                    THEN r.window_ends_at
                ELSE c.time + v_window
            END
        FROM clock_timestamp() AS c (time)
    )
    WHERE
        r.request_count < v_limit
        OR r.window_ends_at <= clock_timestamp()
        OR r.window_ends_at > clock_timestamp() + v_window;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT greatest(1, ceil(extract(EPOCH FROM r.window_ends_at - clock_timestamp())))
        FROM public.analytics_rate_limits AS r WHERE r.client = p_client
    );
END;
$$;

COMMENT ON FUNCTION recommender._count_request(text) IS
'Counts a request against ANALYTICS_RATE_LIMIT a window of ANALYTICS_RATE_WINDOW_SECONDS, which begins with the client''s first request. NULL if it is within the limit, else the seconds until the window ends, at least 1. All processes share the count.';
