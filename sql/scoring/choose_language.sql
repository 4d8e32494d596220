-- The language somebody is addressed in: the first of their choices that there are sentences for.

CREATE OR REPLACE FUNCTION recommender.choose_language(
    p_preference text, p_accepted text[] DEFAULT '{}'
)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(
        (
            SELECT c.language
            FROM unnest(p_preference || p_accepted) WITH ORDINALITY AS c (language, place)
            WHERE c.language IN (SELECT r.language FROM public.recommendation_reasons AS r)
            ORDER BY c.place
            LIMIT 1
        ),
        'en'
    );
END;

COMMENT ON FUNCTION recommender.choose_language(text, text[]) IS
'The first of the preference (NULL or system: none) and the accepted languages, best first, that recommendation_reasons has a row for; en if there is none. Never NULL.';
