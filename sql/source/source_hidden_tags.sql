-- One row is one tag a student hides. Writable: serving inserts and deletes through it.

CREATE OR REPLACE VIEW recommender.source_hidden_tags AS
SELECT
    ht.user_id,
    ht.tag_id
FROM public.user_hidden_tags AS ht;

COMMENT ON VIEW recommender.source_hidden_tags IS
'One row is one tag a student does not want to see. Adaptation point; keep it a plain view of one table, or give it triggers: set_tag_hidden writes through it.';
