-- One row is one tag row of one event, blank ones too: the bare link, for those who know the tags.

CREATE OR REPLACE VIEW recommender.source_tag_links AS
SELECT
    et.event_id,
    et.tag_id
FROM public.event_tags AS et;

COMMENT ON VIEW recommender.source_tag_links IS
'One row is one tag row of one event, without its text; source_event_tags has the text. Adaptation point.';
