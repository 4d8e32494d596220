-- One row is one account of any role: who may ask, and whose names are shown.

CREATE OR REPLACE VIEW recommender.source_users AS
SELECT
    u.id AS user_id,
    u.role::text AS role,
    u.is_active,
    recommender.normalize_text(u.language_preference::text) AS language,
    recommender.normalize_text(u.city) AS city,
    u.full_name::text AS full_name,
    u.org_name::text AS org_name
FROM public.users AS u;

COMMENT ON VIEW recommender.source_users IS
'One row is one account: its role (student, organizer or organizator, admin), whether it is active, normalised language preference and home city, and names, full_name and org_name (NULL: none given). Adaptation point.';
