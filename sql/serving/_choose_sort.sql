-- The sort that is really used: recommended is for students with a fresh list.

CREATE OR REPLACE FUNCTION recommender._choose_sort(p_user_id integer, p_role text, p_sort text)
RETURNS text
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF p_role IS DISTINCT FROM 'student' OR p_sort = 'time' THEN
        RETURN 'time';
    ELSIF p_sort IS NULL
        AND recommender.experiment_bucket('personalization_ml_sort', p_user_id)
        >= (SELECT p.experiment_percent FROM recommender.parameters AS p)
    THEN
        RETURN 'time';
    ELSIF EXISTS (SELECT FROM recommender.fresh_lists AS f WHERE f.user_id = p_user_id) THEN
        RETURN 'recommended';
    END IF;
    RETURN 'time';
END;
$$;

COMMENT ON FUNCTION recommender._choose_sort(integer, text, text) IS
'time or recommended: what was asked for (NULL: what the experiment personalization_ml_sort gives the account), but time for anybody who is not a student with a fresh list.';
