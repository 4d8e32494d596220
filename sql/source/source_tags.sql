-- One row is one tag that is not empty once normalised.

CREATE OR REPLACE VIEW recommender.source_tags AS
SELECT
    t.id AS tag_id,
    recommender.normalize_text(t.name) AS tag,
    t.name::text AS name
FROM public.tags AS t
-- A visible ASCII character at the start settles it without a call.
WHERE ascii(t.name) BETWEEN 33 AND 126 OR recommender.normalize_text(t.name) IS NOT NULL;

COMMENT ON VIEW recommender.source_tags IS
'One row is one tag with its normalised name, never NULL, and the name as the app wrote it; tags that are blank do not exist. Adaptation point.';
