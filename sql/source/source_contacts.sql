-- One row is what only an admin's desk shows of an account.

CREATE OR REPLACE VIEW recommender.source_contacts AS
SELECT
    u.id AS user_id,
    u.email::text AS email,
    u.city::text AS city_name,
    u.created_at
FROM public.users AS u;

COMMENT ON VIEW recommender.source_contacts IS
'One row is one account as an admin''s desk shows it: email, city_name (the home city as it was written) and when it was made; any may be NULL. Nothing is scored or shown to others by it. Adaptation point.';
