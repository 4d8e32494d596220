-- One row is one registration in force at the moment.

CREATE OR REPLACE VIEW recommender.source_registrations AS
SELECT
    r.user_id,
    r.event_id,
    r.attended
FROM public.registrations AS r
WHERE
    r.event_id IS NOT NULL
    AND (r.registration_time IS NULL OR r.registration_time <= (SELECT recommender.as_of()))
    AND (r.deleted_at IS NULL OR r.deleted_at > (SELECT recommender.as_of()));

COMMENT ON VIEW recommender.source_registrations IS
'One row is one registration made by recommender.as_of() and not withdrawn by then; attended may be NULL. Adaptation point.';
