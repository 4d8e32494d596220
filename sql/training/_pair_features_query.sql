-- The statement that puts the features of pairs side by side, one column of an array a name.

CREATE OR REPLACE FUNCTION recommender._pair_features_query(p_feature_names text[])
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $$
    SELECT format(
        $sql$
        CREATE TEMPORARY TABLE pair_features AS
        WITH event_values AS MATERIALIZED (
            SELECT n.event_id, ARRAY[%s]::double precision[] AS numbers
            FROM recommender.event_numbers AS n
            WHERE n.event_id IN (SELECT p.event_id FROM pg_temp.feature_pairs AS p)
            GROUP BY n.event_id
        ),
        user_values AS MATERIALIZED (
            SELECT n.user_id, ARRAY[%s]::double precision[] AS numbers
            FROM recommender.user_numbers AS n
            WHERE n.user_id IN (SELECT p.user_id FROM pg_temp.feature_pairs AS p)
            GROUP BY n.user_id
        ),
        shared AS (
            SELECT x.pair_no, ARRAY[%s]::double precision[] AS sums
            FROM (
                SELECT q.pair_no, a.feature_no, u.weight * a.value AS product
                FROM pg_temp.feature_pairs AS q
                INNER JOIN pg_temp.pair_event_attributes AS a ON a.event_id = q.event_id
                INNER JOIN pg_temp.pair_user_attributes AS u
                    ON u.user_id = q.user_id AND u.attribute_no = a.attribute_no
                ORDER BY q.pair_no, a.attribute_no
            ) AS x
            GROUP BY x.pair_no
        )
        SELECT p.pair_no, p.user_id, p.event_id, ARRAY[%s]::double precision[] AS features
        FROM pg_temp.feature_pairs AS p
        INNER JOIN event_values AS e ON e.event_id = p.event_id
        LEFT JOIN user_values AS u ON u.user_id = p.user_id
        LEFT JOIN shared AS m ON m.pair_no = p.pair_no
        ORDER BY p.pair_no
        $sql$,
        string_agg(
            format('max(n.value) FILTER (WHERE n.feature = %L)', k.feature), ', '
            ORDER BY k.feature_no
        ),
        string_agg(
            format('max(n.value) FILTER (WHERE n.feature = %L)', k.feature), ', '
            ORDER BY k.feature_no
        ),
        string_agg(
            format('sum(x.product) FILTER (WHERE x.feature_no = %s)', k.feature_no), ', '
            ORDER BY k.feature_no
        ),
        string_agg(
            CASE k.kind
                WHEN 'event' THEN format('coalesce(e.numbers[%s], 0)', k.feature_no)
                WHEN 'student' THEN format('coalesce(u.numbers[%s], 0)', k.feature_no)
                ELSE format('coalesce(m.sums[%s], 0)', k.feature_no)
            END,
            ', ' ORDER BY k.feature_no
        )
    )
    FROM (
        SELECT
            n.feature,
            n.feature_no,
            recommender.feature_kind(n.feature) AS kind
        FROM unnest(p_feature_names) WITH ORDINALITY AS n (feature, feature_no)
    ) AS k
$$;

COMMENT ON FUNCTION recommender._pair_features_query(text[]) IS
'The statement with which recommender._build_pair_features builds pg_temp.pair_features of these features. Products are added up in the order of attribute_no.';
