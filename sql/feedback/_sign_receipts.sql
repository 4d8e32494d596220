-- Notes the ids that clients gave their interactions, and says which are new.

CREATE OR REPLACE FUNCTION recommender._sign_receipts(
    p_user_id integer, p_client_ids uuid[]
)
RETURNS uuid[]
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_new_ids uuid[];
BEGIN
    -- In order, so that two retries at once wait for each other in one direction only.
    WITH new_receipts AS (
        INSERT INTO public.interaction_receipts (user_id, client_id, received_at)
        SELECT DISTINCT coalesce(p_user_id, 0), c.client_id, now()
        FROM unnest(p_client_ids) AS c (client_id)
        WHERE c.client_id IS NOT NULL
        ORDER BY c.client_id
        ON CONFLICT (user_id, client_id) DO NOTHING
        RETURNING client_id
    )

    SELECT array_agg(r.client_id) INTO v_new_ids FROM new_receipts AS r;
    RETURN coalesce(v_new_ids, '{}');
END;
$$;

COMMENT ON FUNCTION recommender._sign_receipts(integer, uuid[]) IS
'Inserts a receipt for each id that the user (NULL: a visitor, 0 in the table) has none of yet, and returns those ids.';
