-- What students' own numbers add to the logits of all their events: read from the twin.

CREATE OR REPLACE FUNCTION recommender._own_logits(p_model public.recommender_models)
RETURNS TABLE (user_id integer, logit double precision)
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF recommender.feature_set(p_model.feature_names) = 'base' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        s.user_id,
        sum(s.score * recommender.model_weight(p_model, s.feature) ORDER BY s.feature)
    FROM recommender.user_attribute_sources_snapshot AS s
    WHERE
        s.source = 'attendance'
        AND s.attribute = ''
        AND recommender.feature_kind(s.feature) = 'student'
    GROUP BY s.user_id;
END;
$$;

COMMENT ON FUNCTION recommender._own_logits(public.recommender_models) IS
'One row is one user of user_attribute_sources_snapshot with the sum of a model''s weight times value over the features of recommender.feature_kind student; no rows for a model of the base set.';
