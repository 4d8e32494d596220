-- Takes the next batch from this session's list; one that is rolled back is in it again.

CREATE OR REPLACE FUNCTION recommender._next_batch()
RETURNS integer[]
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_user_ids integer[];
BEGIN
    DELETE FROM pg_temp.scoring_batches AS b
    WHERE b.batch_no = (
        SELECT n.batch_no FROM pg_temp.scoring_batches AS n ORDER BY n.batch_no LIMIT 1
    )
    RETURNING b.user_ids INTO v_user_ids;
    RETURN v_user_ids;
END;
$$;

COMMENT ON FUNCTION recommender._next_batch() IS
'The user_ids of the next batch of this session''s scoring_batches, which is taken from it; NULL when it is empty. Needs recommender._list_batches in this session.';
