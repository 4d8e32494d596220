-- Puts the batches a run has still to pass into this session's list of them.
--
-- In a transaction of its own: it reads a twin, and whoever has read one must not wait in the same
-- transaction for somebody who rebuilds it.

CREATE OR REPLACE FUNCTION recommender._list_batches(p_run_id bigint)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_batch_count integer;
BEGIN
    DELETE FROM pg_temp.scoring_batches;
    INSERT INTO pg_temp.scoring_batches (user_ids)
    SELECT b.user_ids FROM recommender.run_batches(p_run_id) AS b;
    GET DIAGNOSTICS v_batch_count = ROW_COUNT;
    RETURN v_batch_count;
END;
$$;

COMMENT ON FUNCTION recommender._list_batches(bigint) IS
'Fills this session''s scoring_batches with recommender.run_batches and returns how many there are; commit before recommender.score_students. Needs recommender.prepare_run in this session.';
