-- POST /api/analytics/interactions: stores, learns and asks for a refresh, or nothing.

CREATE OR REPLACE FUNCTION recommender.record_interactions(
    p_user_id integer, p_events jsonb, p_client text DEFAULT NULL
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
VOLATILE
ROWS 1
AS $$
DECLARE
    v_account recommender.source_users;
    v_as_of timestamptz := recommender.as_of();
    v_batch record;
    v_known_count integer;
    v_new_ids uuid[];
BEGIN
    IF p_user_id IS NOT NULL THEN
        SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    END IF;
    RETURN QUERY
    SELECT r.* FROM recommender._refuse_request(p_user_id, v_account, p_client) AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT b.* INTO v_batch FROM recommender._read_batch(p_events) AS b;
    IF v_batch.is_sound IS NOT TRUE THEN
        RETURN QUERY SELECT r.* FROM recommender._refuse_batch(p_events) AS r;
        RETURN;
    END IF;

    v_known_count := coalesce(cardinality(v_batch.types), 0);
    IF cardinality(array_remove(v_batch.client_ids, NULL)) > 0 THEN
        v_new_ids := recommender._sign_receipts(p_user_id, v_batch.client_ids);
        IF cardinality(v_new_ids) < cardinality(array_remove(v_batch.client_ids, NULL)) THEN
            SELECT
                array_agg(i.interaction_type ORDER BY i.number) AS types,
                array_agg(i.event_id ORDER BY i.number) AS event_ids,
                array_agg(i.occurred_at ORDER BY i.number) AS times,
                array_agg(i.meta ORDER BY i.number) AS metas
            INTO v_batch
            FROM unnest(
                v_batch.types, v_batch.event_ids, v_batch.times, v_batch.metas, v_batch.client_ids
            ) WITH ORDINALITY
                AS i (interaction_type, event_id, occurred_at, meta, client_id, number)
            WHERE
                i.client_id IS NULL
                OR (
                    i.client_id = ANY (v_new_ids)
                    AND i.number = array_position(v_batch.client_ids, i.client_id)
                );
        END IF;
    END IF;

    IF v_batch.types IS NOT NULL THEN
        PERFORM recommender._store_interactions(
            p_user_id, v_batch.types, v_batch.event_ids, v_batch.times, v_batch.metas, v_as_of
        );
        IF v_account.role = 'student' THEN
            IF (SELECT p.learning_enabled FROM recommender.parameters AS p) THEN
                PERFORM recommender._learn_interests(
                    p_user_id, v_batch.types, v_batch.event_ids, v_batch.metas, v_as_of
                );
            END IF;
            PERFORM recommender._request_refresh(p_user_id, v_batch.types, v_batch.metas);
        END IF;
    END IF;
    RETURN QUERY SELECT
        204,
        json_build_object(
            'Interactions-Stored', coalesce(cardinality(v_batch.types), 0)::text,
            'Interactions-Repeated',
            (v_known_count - coalesce(cardinality(v_batch.types), 0))::text,
            'Interactions-Dropped', (jsonb_array_length(p_events) - v_known_count)::text
        ),
        NULL::json;
END;
$$;

COMMENT ON FUNCTION recommender.record_interactions(integer, jsonb, text) IS
'The answer of POST /api/analytics/interactions for an account (NULL: a visitor at the address p_client) and the array of its body''s events: 204 once all is stored, learned and enqueued in the caller''s transaction. Headers count what was stored, what client_id shows was stored before (Interactions-Repeated), and what was dropped because its event is unknown or deleted. 204 without them while ANALYTICS_ENABLED is false; 401 or 403 for an account that may not; 422 naming index and field; 429 with Retry-After. Without user and client nothing is counted against the rate limit. One row.';
