-- Why an event stands where it stands for a student: one row a feature.

CREATE OR REPLACE FUNCTION recommender.explain(p_user_id integer, p_event_id integer)
RETURNS TABLE (
    feature text,
    value double precision,
    weight double precision,
    contribution double precision
)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_model public.recommender_models := recommender.current_model();
    v_values double precision[] := recommender._pair_values(
        p_user_id, p_event_id, v_model.feature_names
    );
BEGIN
    IF v_values IS NULL THEN
        IF EXISTS (
            SELECT FROM recommender.source_students AS s WHERE s.user_id = p_user_id
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'ER021',
                MESSAGE = format('there is no event %s', coalesce(p_event_id::text, 'NULL')),
                HINT = 'it never existed, or is deleted';
        END IF;
        RAISE EXCEPTION USING
            ERRCODE = 'ER020',
            MESSAGE = format('there is no student %s', coalesce(p_user_id::text, 'NULL')),
            HINT = 'lists are for users whose role is student';
    END IF;
    RETURN QUERY
    SELECT
        x.feature,
        x.value,
        x.weight,
        x.value * x.weight
    FROM unnest(v_model.feature_names, v_values, v_model.weights)
        WITH ORDINALITY AS x (feature, value, weight, feature_no)
    ORDER BY x.feature_no;
END;
$$;

COMMENT ON FUNCTION recommender.explain(integer, integer) IS
'One row is one feature of a (student, event) pair at recommender.as_of(): its value, the current model''s weight, and value * weight; the contributions add up to the logit, and score = sigmoid(logit). Works for any event that is not deleted, eligible or not. Raises ER010 to ER012, ER020 and ER021.';
