-- Why a telemetry request is answered before its batch is looked at: no row if it is looked at.

CREATE OR REPLACE FUNCTION recommender._refuse_request(
    p_user_id integer, p_account recommender.source_users, p_client text
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    -- A key has to fit into an index.
    v_client text := coalesce('user ' || p_user_id, 'client ' || left(p_client, 200));
    v_wait_seconds integer;
BEGIN
    IF p_user_id IS NOT NULL AND p_account.is_active IS NOT TRUE THEN
        RETURN QUERY
        SELECT r.* FROM recommender._refuse_account(p_user_id, p_account, NULL) AS r;
    ELSIF NOT (SELECT p.analytics_enabled FROM recommender.parameters AS p) THEN
        RETURN QUERY SELECT 204, NULL::json, NULL::json;
    ELSIF v_client IS NOT NULL THEN
        v_wait_seconds := recommender._count_request(v_client);
        IF v_wait_seconds IS NOT NULL THEN
            RETURN QUERY SELECT
                429,
                json_build_object('Retry-After', v_wait_seconds::text),
                recommender._problem(429, 'Too Many Requests', format(
                    'too many requests: the next one is taken in %s seconds', v_wait_seconds
                ));
        END IF;
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._refuse_request(integer, recommender.source_users, text) IS
'Counts the request and gives its answer if its batch is not to be looked at: 401 or 403 for an account that may not ask, 204 while ANALYTICS_ENABLED is false, 429 with Retry-After above the limit; else no row.';
