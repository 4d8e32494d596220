-- Counts one telemetry request of a client; the seconds to wait if it is one too many.
--
-- The row is the client's turn, too: requests of one client pass one after the other.

CREATE OR REPLACE FUNCTION recommender._count_request(p_client text)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_now timestamptz := now();
    v_limit integer;
    v_ends_at timestamptz;
BEGIN
    SELECT
        p.rate_limit_count,
        v_now + p.rate_window_seconds * interval '1 second'
    INTO v_limit, v_ends_at
    FROM recommender.parameters AS p;
    -- A window that ends later than one begun now is of a longer setting, or of a clock put back.
    INSERT INTO public.analytics_rate_limits AS r (client, request_count, window_ends_at)
    VALUES (p_client, 1, v_ends_at)
    ON CONFLICT (client) DO UPDATE SET
        request_count = CASE
            WHEN r.window_ends_at > v_now AND r.window_ends_at <= v_ends_at
                THEN r.request_count + 1
            ELSE 1
        END,
        window_ends_at = CASE
            WHEN r.window_ends_at > v_now AND r.window_ends_at <= v_ends_at
                THEN r.window_ends_at
            ELSE excluded.window_ends_at
        END
    WHERE
        r.request_count < v_limit
        OR r.window_ends_at <= v_now
        OR r.window_ends_at > v_ends_at;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT greatest(1, ceil(extract(EPOCH FROM r.window_ends_at - v_now)))
        FROM public.analytics_rate_limits AS r WHERE r.client = p_client
    );
END;
$$;

COMMENT ON FUNCTION recommender._count_request(text) IS
'Counts a request against ANALYTICS_RATE_LIMIT a window of ANALYTICS_RATE_WINDOW_SECONDS, which begins with the client''s first request. NULL if it is within the limit, else the seconds until the window ends, at least 1. All processes share the count.';
