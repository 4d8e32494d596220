-- One row is one tag of one event; two rows of an event may normalise to the same tag.

CREATE OR REPLACE VIEW recommender.source_event_tags AS
SELECT
    et.event_id,
    et.tag_id,
    t.tag
FROM recommender.source_tag_links AS et
INNER JOIN recommender.source_tags AS t ON t.tag_id = et.tag_id;

COMMENT ON VIEW recommender.source_event_tags IS
'One row is one tag of one event, normalised, never NULL; two tags may normalise to the same text. Adaptation point.';
