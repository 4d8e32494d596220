-- One row is one student. Profiles are not versioned: they are as they are now.

CREATE OR REPLACE VIEW recommender.source_students AS
SELECT
    u.id AS user_id,
    recommender.normalize_text(u.city) AS city,
    recommender.normalize_text(u.language_preference::text) AS language,
    u.is_active
FROM public.users AS u
WHERE u.role::text = 'student';

COMMENT ON VIEW recommender.source_students IS
'One row is one student, inactive ones too: normalised home city (NULL: none given) and language preference (NULL or system: none). Adaptation point: redefine it where users are kept elsewhere.';
