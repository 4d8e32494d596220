-- Why an admin's request is answered before its body is looked at: no row if it is looked at.

CREATE OR REPLACE FUNCTION recommender._refuse_admin(p_user_id integer, p_needs_queue boolean)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_account recommender.source_users;
BEGIN
    SELECT u.* INTO v_account FROM recommender.source_users AS u WHERE u.user_id = p_user_id;
    RETURN QUERY SELECT r.* FROM recommender._refuse_account(p_user_id, v_account, 'admin') AS r;
    IF FOUND THEN
        RETURN;
    END IF;
    IF p_needs_queue AND NOT (SELECT p.queue_enabled FROM recommender.parameters AS p) THEN
        RETURN QUERY SELECT
            409, NULL::json,
            recommender._problem(
                409, 'Conflict', 'the task queue is switched off: TASK_QUEUE_ENABLED is false'
            );
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._refuse_admin(integer, boolean) IS
'401 or 403 for who is no active admin; 409 where a job is needed (p_needs_queue) and TASK_QUEUE_ENABLED is false; else no row.';
