-- The sentence that says why an event is in a list, in the student's language.

CREATE OR REPLACE FUNCTION recommender.reason_text(
    p_language text, p_interests text, p_is_near boolean
)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT replace(r.template, '%s', coalesce(p_interests, ''))
    FROM public.recommendation_reasons AS r
    WHERE
        r.language IN (p_language, 'en')
        AND r.kind = CASE
            WHEN p_interests IS NOT NULL THEN 'interests'
            WHEN p_is_near THEN 'near_you'
            ELSE 'generic'
        END
    ORDER BY r.language = 'en'
    LIMIT 1;
END;

COMMENT ON FUNCTION recommender.reason_text(text, text, boolean) IS
'The reason in a language of recommendation_reasons (any other: English): matching interests if there are any (NULL: none), else that the event is near, else the generic sentence.';
