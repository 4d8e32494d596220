-- The tags a student hides, under every spelling they have.

CREATE OR REPLACE FUNCTION recommender._hidden_tag_ids(p_user_id integer)
RETURNS integer[]
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_tags text[];
BEGIN
    IF NOT EXISTS (SELECT FROM recommender.source_hidden_tags AS h WHERE h.user_id = p_user_id) THEN
        RETURN '{}';
    END IF;
    v_tags := ARRAY(
        SELECT t.tag
        FROM recommender.source_hidden_tags AS h
        INNER JOIN recommender.source_tags AS t ON t.tag_id = h.tag_id
        WHERE h.user_id = p_user_id
    );
    RETURN ARRAY(SELECT t.tag_id FROM recommender._tags_spelled(v_tags) AS t);
END;
$$;

COMMENT ON FUNCTION recommender._hidden_tag_ids(integer) IS
'The ids of all tags that normalise to one the student hides; empty if there are none.';
