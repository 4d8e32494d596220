-- The lists in numbers: whose, how old, by which model.

CREATE OR REPLACE FUNCTION recommender._desk_lists()
RETURNS json
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_moment timestamptz := recommender.as_of();
    v_fresh_count bigint;
BEGIN
    IF (SELECT bool_and(s.is_valid) FROM recommender.settings AS s) THEN
        SELECT count(*) INTO v_fresh_count
        FROM recommender.source_students AS s
        INNER JOIN recommender.fresh_lists AS f ON f.user_id = s.user_id;
    END IF;
    RETURN (
        WITH held_lists AS MATERIALIZED (
            SELECT
                l.model_version,
                l.item_count,
                greatest(date_part('epoch', v_moment - l.generated_at), 0) AS age_seconds
            FROM recommender.source_students AS s
            INNER JOIN public.recommendation_lists AS l ON l.user_id = s.user_id
            WHERE l.generated_at IS NOT NULL
        ),

        ages AS (
            SELECT
                b.up_to_hours,
                (
                    SELECT count(*) FROM held_lists AS h
                    WHERE
                        h.age_seconds > b.from_hours * 3600
                        AND (h.age_seconds <= b.up_to_hours * 3600) IS NOT FALSE
                ) AS lists
            FROM (
                VALUES
                (-1, 1), (1, 6), (6, 12), (12, 24), (24, 48), (48, 168), (168, NULL)
            ) AS b (from_hours, up_to_hours)
        ),

        models AS (
            SELECT
                h.model_version,
                count(*) AS lists
            FROM held_lists AS h
            GROUP BY h.model_version
        )

        SELECT json_build_object(
            'students', (SELECT count(*) FROM recommender.source_students),
            'with_list', count(*),
            'fresh', v_fresh_count,
            'empty', count(*) FILTER (WHERE h.item_count = 0),
            'median_age_seconds', percentile_disc(0.5) WITHIN GROUP (ORDER BY h.age_seconds),
            'ages', (SELECT json_agg(a ORDER BY a.up_to_hours) FROM ages AS a),
            'models', (
                SELECT coalesce(
                    json_agg(m ORDER BY m.lists DESC, m.model_version COLLATE "C"), '[]'
                )
                FROM models AS m
            )
        )
        FROM held_lists AS h
    );
END;
$$;

COMMENT ON FUNCTION recommender._desk_lists() IS
'An object: how many students there are, how many of them have a list (with_list), a fresh one (null while a setting is not valid) and an empty one; the median age of the lists (null: none); in ages how many are that old, one object a span that ends with up_to_hours (null: no end) and begins where the one before ends; and in models how many are of each model, the most first.';
