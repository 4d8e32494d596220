-- Whether a student's list is served, and what else there is to say of it.

CREATE OR REPLACE FUNCTION recommender._list_detail(p_user_id integer)
RETURNS text
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    RETURN (SELECT CASE
        WHEN NOT p.use_ml_cache
            THEN 'no list is served, RECOMMENDATIONS_USE_ML_CACHE is false: tags and popularity choose'
        WHEN l.generated_at IS NULL
            THEN 'there is no list yet: tags and popularity choose'
        WHEN f.user_id IS NOT NULL
            THEN format(
                'the list of %s is fresh: %s, by model %s',
                recommender._moment_text(l.generated_at),
                recommender._count_text(l.item_count, 'event', 'events'),
                l.model_version
            )
        WHEN l.generated_at > x.moment
            THEN format(
                'the list is of a later moment, %s: tags and popularity choose',
                recommender._moment_text(l.generated_at)
            )
        ELSE format(
            'the list of %s is stale, it may be %s old: tags and popularity choose',
            recommender._moment_text(l.generated_at),
            recommender._age_text(p.cache_max_age_seconds * interval '1 second')
        )
    END
    FROM recommender.parameters AS p
    CROSS JOIN (SELECT recommender.as_of() AS moment) AS x
    LEFT JOIN public.recommendation_lists AS l ON l.user_id = p_user_id
    LEFT JOIN recommender.fresh_lists AS f ON f.user_id = p_user_id);
END;
$$;

COMMENT ON FUNCTION recommender._list_detail(integer) IS
'One sentence: whether the student''s list is there and fresh, or else why it is not served.';
