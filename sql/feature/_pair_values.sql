-- The features of one pair by name, from the definition.

CREATE OR REPLACE FUNCTION recommender._pair_values(
    p_user_id integer, p_event_id integer, p_feature_names text[]
)
RETURNS double precision[]
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_values jsonb;
BEGIN
    IF recommender.feature_set(p_feature_names) = 'extended' THEN
        SELECT to_jsonb(f) INTO v_values
        FROM recommender.extended_user_event_features AS f
        WHERE f.user_id = p_user_id AND f.event_id = p_event_id;
    ELSE
        SELECT to_jsonb(f) INTO v_values
        FROM recommender.user_event_features AS f
        WHERE f.user_id = p_user_id AND f.event_id = p_event_id;
    END IF;
    IF v_values IS NOT NULL THEN
        RETURN ARRAY(
            SELECT (v_values ->> n.feature)::double precision
            FROM unnest(p_feature_names) WITH ORDINALITY AS n (feature, feature_no)
            ORDER BY n.feature_no
        );
    END IF;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION recommender._pair_values(integer, integer, text[]) IS
'The features of one (student, event) pair at recommender.as_of(), in the order of a set''s names, from user_event_features or extended_user_event_features; NULL where there is no such pair.';
