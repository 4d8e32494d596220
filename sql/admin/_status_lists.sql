-- The lists: how many, how old, whose, and by which model.

CREATE OR REPLACE FUNCTION recommender._status_lists()
RETURNS TABLE (item text, value text, warning text)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_lists record;
    v_student_count bigint;
    v_models text;
    v_scoring text := (
        SELECT m.model_version FROM public.recommender_models AS m
        ORDER BY
            m.model_version = (
                SELECT s.value FROM recommender.settings AS s
                WHERE s.name = 'recommender_model_version'
            ) DESC,
            m.is_active DESC,
            m.id DESC
        LIMIT 1
    );
    v_cure text := 'CALL recommender.score_all()';
BEGIN
    IF v_scoring IS NULL THEN
        v_cure := 'train a model first, then ' || v_cure;
    END IF;
    SELECT count(*) INTO v_student_count FROM recommender.source_students AS s;
    SELECT
        count(*) AS all_count,
        count(f.user_id) AS fresh_count,
        count(s.user_id) AS student_count,
        count(*) FILTER (WHERE l.model_version IS DISTINCT FROM v_scoring) AS foreign_count,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY l.generated_at) AS median
    INTO v_lists
    FROM public.recommendation_lists AS l
    LEFT JOIN recommender.fresh_lists AS f ON f.user_id = l.user_id
    LEFT JOIN recommender.source_students AS s ON s.user_id = l.user_id
    WHERE l.generated_at IS NOT NULL;
    SELECT string_agg(
        format('%s: %s', m.model_version, to_char(m.list_count, 'FM999,999,999,990')), ', '
        ORDER BY m.list_count DESC, m.model_version COLLATE "C"
    ) INTO v_models
    FROM (
        SELECT
            l.model_version,
            count(*) AS list_count
        FROM public.recommendation_lists AS l
        WHERE l.generated_at IS NOT NULL
        GROUP BY l.model_version
    ) AS m;
    RETURN QUERY VALUES (
        'students with a list',
        recommender._share_text(v_lists.student_count, v_student_count),
        CASE WHEN v_lists.student_count < v_student_count
            THEN recommender._count_text(
                v_student_count - v_lists.student_count, 'student has', 'students have'
            ) || ' no list, tags and popularity choose for them: ' || v_cure
        END
    );
    IF v_lists.all_count = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY VALUES
    (
        'fresh lists',
        recommender._share_text(v_lists.fresh_count, v_lists.all_count),
        CASE
            WHEN recommender._switch('recommendations_use_ml_cache') IS FALSE
                THEN 'no list is served: RECOMMENDATIONS_USE_ML_CACHE is false'
            WHEN v_lists.fresh_count < v_lists.all_count
                THEN format(
                    '%s %% of the lists are stale: %s, and see that it runs every night',
                    greatest(1, round(
                        100.0 * (v_lists.all_count - v_lists.fresh_count) / v_lists.all_count
                    )),
                    v_cure
                )
        END
    ),
    (
        'median age',
        recommender._age_text(recommender.as_of() - v_lists.median),
        NULL
    ),
    (
        'written by',
        v_models,
        CASE WHEN v_lists.foreign_count > 0
            THEN recommender._count_text(v_lists.foreign_count, 'list is', 'lists are')
                || ' of another model than the one that scores: ' || v_cure
        END
    );
END;
$$;

COMMENT ON FUNCTION recommender._status_lists() IS
'The rows of recommender.status on the lists. Raises ER002 while a setting of the lists is not valid.';
