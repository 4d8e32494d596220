-- One row is one student whose list may be served: switched on, written, and not too old.

CREATE OR REPLACE VIEW recommender.fresh_lists AS
SELECT
    l.user_id,
    l.generated_at,
    coalesce(
        l.language,
        recommender.choose_language(
            (
                SELECT s.language
                FROM recommender.source_students AS s
                WHERE s.user_id = l.user_id
            )
        )
    ) AS language,
    l.model_version,
    l.item_count
FROM public.recommendation_lists AS l
WHERE
    (SELECT p.use_ml_cache FROM recommender.parameters AS p)
    -- now() may be older than the snapshot: what was written in between is there to be served.
    AND l.generated_at <= (
        SELECT CASE
            WHEN recommender.as_of() = now() THEN clock_timestamp()
            ELSE recommender.as_of()
        END
    )
    AND l.generated_at >= (SELECT recommender.as_of())
    - (SELECT p.cache_max_age_seconds FROM recommender.parameters AS p) * interval '1 second';

COMMENT ON VIEW recommender.fresh_lists IS
'One row is one student whose list is served at recommender.as_of(): RECOMMENDATIONS_USE_ML_CACHE is on, and the list is at most RECOMMENDATIONS_CACHE_MAX_AGE_SECONDS older than that moment, and no later: written by now, or where recommender.as_of is set, speaking for that moment. Everybody else is served what the heuristic finds. language is what its reasons are written in; the student''s where the list does not say.';
