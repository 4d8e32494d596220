-- The features of given pairs (pg_temp.feature_pairs) at recommender.as_of(), for bulk work.
--
-- What the definition says, joined the other way round: from the pairs to the attributes of their
-- events, and from there to those of their students. Names are numbered first; a number is cheaper
-- to join on than two texts. What is added up comes in an order of its own, so that no order of
-- rows changes a last bit.

CREATE OR REPLACE FUNCTION recommender._build_pair_features(p_feature_names text[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
SET jit = 'off'
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_half_life double precision := (
        SELECT p.decay_half_life_hours FROM recommender.parameters AS p
    );
    v_cap double precision := (SELECT p.implicit_score_cap FROM recommender.parameters AS p);
    v_previous_set text := current_setting('recommender.recommender_feature_set', true);
    v_shared_names text[] := ARRAY(
        SELECT n.feature FROM unnest(p_feature_names) AS n (feature)
        WHERE recommender.feature_kind(n.feature) = 'shared'
    );
BEGIN
    -- Whatever scores now: the views have what these features need.
    PERFORM set_config(
        'recommender.recommender_feature_set',
        CASE WHEN p_feature_names <@ recommender.feature_names() THEN 'base' ELSE 'extended' END,
        true
    );
    PERFORM recommender._fold_implicit_interests();
    DROP TABLE IF EXISTS
    pg_temp.pair_event_attributes, pg_temp.pair_user_attributes, pg_temp.pair_features;

    CREATE TEMPORARY TABLE pair_event_attributes AS
    SELECT
        a.event_id,
        a.feature,
        a.attribute,
        dense_rank() OVER (ORDER BY a.feature, a.attribute COLLATE "C")::integer AS attribute_no,
        array_position(p_feature_names, a.feature) AS feature_no,
        a.value
    FROM recommender.event_attributes AS a
    WHERE
        a.feature = ANY (v_shared_names)
        AND a.event_id IN (SELECT p.event_id FROM pg_temp.feature_pairs AS p);
    CREATE INDEX ON pg_temp.pair_event_attributes (event_id);
    ANALYZE pg_temp.pair_event_attributes;

    CREATE TEMPORARY TABLE pair_user_attributes AS
    SELECT
        s.user_id,
        n.attribute_no,
        max(s.weight) AS weight
    FROM (
        SELECT
            u.user_id,
            u.feature,
            u.attribute,
            recommender.attribute_weight(
                u.source, u.score, u.last_seen_at, v_as_of, v_half_life, v_cap
            ) AS weight
        FROM recommender.user_attribute_sources AS u
        WHERE
            -- Which city is home by clicks alone cannot be told once they went on.
            (u.source NOT IN ('implicit', 'implicit_home') OR NOT EXISTS (
                SELECT FROM pg_temp.later_interests AS l
                WHERE
                    l.user_id = u.user_id
                    AND l.feature = u.feature
                    AND (l.attribute = u.attribute OR u.source = 'implicit_home')
            ))
        UNION ALL
        SELECT
            f.user_id,
            f.feature,
            f.attribute,
            f.weight
        FROM pg_temp.past_interests AS f
    ) AS s
    INNER JOIN (
        SELECT DISTINCT
            a.feature,
            a.attribute,
            a.attribute_no
        FROM pg_temp.pair_event_attributes AS a
    ) AS n ON n.attribute = s.attribute AND n.feature = s.feature
    WHERE s.user_id IN (SELECT p.user_id FROM pg_temp.feature_pairs AS p)
    GROUP BY s.user_id, n.attribute_no;
    CREATE UNIQUE INDEX ON pg_temp.pair_user_attributes (user_id, attribute_no) INCLUDE (weight);
    ANALYZE pg_temp.pair_user_attributes;

    EXECUTE recommender._pair_features_query(p_feature_names);
    CREATE UNIQUE INDEX ON pg_temp.pair_features (pair_no);
    ANALYZE pg_temp.pair_features;
    PERFORM set_config(
        'recommender.recommender_feature_set', coalesce(v_previous_set, ''), true
    );
END;
$$;

COMMENT ON FUNCTION recommender._build_pair_features(text[]) IS
'Builds pg_temp.pair_features (pair_no, user_id, event_id, features: one number per name, in the order of the names, none NULL) for the pairs of pg_temp.feature_pairs (pair_no, user_id, event_id) at recommender.as_of(): the values of recommender.user_event_features and extended_user_event_features, except that implicit interests changed after that moment are those of recommender._fold_implicit_interests. Pairs whose event is deleted at the moment are left out. Changes no shared relation.';
