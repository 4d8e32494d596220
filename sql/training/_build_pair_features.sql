-- The features of given pairs (pg_temp.feature_pairs), one array a pair: a stand-in that knows the
-- base set alone.

CREATE OR REPLACE FUNCTION recommender._build_pair_features(p_feature_names text[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    IF p_feature_names IS DISTINCT FROM recommender.feature_names() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER012',
            MESSAGE = 'the features are not the base set',
            HINT = 'give recommender.feature_names()';
    END IF;
    DROP TABLE IF EXISTS
        pg_temp.pair_features, pg_temp.pair_user_attributes, pg_temp.pair_event_attributes;
    CREATE TEMPORARY TABLE pair_user_attributes AS
    SELECT u.user_id, u.feature, u.attribute, u.weight
    FROM recommender.user_attributes AS u
    WHERE u.user_id IN (SELECT DISTINCT p.user_id FROM pg_temp.feature_pairs AS p);
    ANALYZE pg_temp.pair_user_attributes;
    CREATE TEMPORARY TABLE pair_event_attributes AS
    SELECT a.event_id, a.feature, a.attribute, a.value
    FROM recommender.event_attributes AS a
    WHERE a.event_id IN (SELECT DISTINCT p.event_id FROM pg_temp.feature_pairs AS p);
    ANALYZE pg_temp.pair_event_attributes;
    CREATE TEMPORARY TABLE pair_features AS
    SELECT
        p.pair_no,
        p.user_id,
        p.event_id,
        ARRAY[
            1.0,
            coalesce(m.overlap_interest_ratio, 0),
            coalesce(m.overlap_history_ratio, 0),
            coalesce(m.same_city, 0),
            coalesce(m.category_match, 0),
            coalesce(m.organizer_match, 0),
            e.popularity,
            e.days_until
        ]::double precision[] AS features
    FROM pg_temp.feature_pairs AS p
    INNER JOIN recommender.event_features AS e ON e.event_id = p.event_id
    LEFT JOIN (
        SELECT
            u.user_id,
            a.event_id,
            sum(u.weight * a.value ORDER BY a.attribute) FILTER (
                WHERE a.feature = 'overlap_interest_ratio'
            ) AS overlap_interest_ratio,
            sum(u.weight * a.value ORDER BY a.attribute) FILTER (
                WHERE a.feature = 'overlap_history_ratio'
            ) AS overlap_history_ratio,
            sum(u.weight * a.value) FILTER (WHERE a.feature = 'same_city') AS same_city,
            sum(u.weight * a.value) FILTER (
                WHERE a.feature = 'category_match'
            ) AS category_match,
            sum(u.weight * a.value) FILTER (
                WHERE a.feature = 'organizer_match'
            ) AS organizer_match
        FROM pg_temp.pair_user_attributes AS u
        INNER JOIN pg_temp.pair_event_attributes AS a
            ON a.feature = u.feature AND a.attribute = u.attribute
        GROUP BY u.user_id, a.event_id
    ) AS m ON m.user_id = p.user_id AND m.event_id = p.event_id;
END;
$$;

COMMENT ON FUNCTION recommender._build_pair_features(text[]) IS
'Reads pg_temp.feature_pairs (pair_no, user_id, event_id) and builds pg_temp.pair_features (the same and features, in the order of the names, none NULL) at recommender.as_of().';
