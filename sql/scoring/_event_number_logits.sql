-- What the extended numbers of events add to their bases: read from the twin.

CREATE OR REPLACE FUNCTION recommender._event_number_logits(p_model public.recommender_models)
RETURNS TABLE (event_id integer, logit double precision)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_features text[] := recommender._number_features(p_model);
BEGIN
    IF v_features = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        a.event_id,
        -- In one order, so that equal events are equal.
        sum(a.value * recommender.model_weight(p_model, a.feature) ORDER BY a.feature)
    FROM recommender.event_attributes_snapshot AS a
    WHERE a.attribute = '' AND a.feature = ANY (v_features)
    GROUP BY a.event_id;
END;
$$;

COMMENT ON FUNCTION recommender._event_number_logits(public.recommender_models) IS
'One row is one event of event_attributes_snapshot with the sum of a model''s weight times value over recommender._number_features; no rows for a model of the base set.';
