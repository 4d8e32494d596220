-- One row is one organizer a student blocks. Writable: serving inserts and deletes through it.

CREATE OR REPLACE VIEW recommender.source_blocked_organizers AS
SELECT
    bo.user_id,
    bo.organizer_id
FROM public.user_blocked_organizers AS bo;

COMMENT ON VIEW recommender.source_blocked_organizers IS
'One row is one organizer a student does not want to see. Adaptation point; keep it a plain view of one table, or give it triggers: set_organizer_blocked writes through it.';
