-- One row is one tag a student chose; not versioned.

CREATE OR REPLACE VIEW recommender.source_interest_tags AS
SELECT
    ut.user_id,
    t.tag,
    t.tag_id
FROM public.user_interest_tags AS ut
INNER JOIN recommender.source_tags AS t ON t.tag_id = ut.tag_id;

COMMENT ON VIEW recommender.source_interest_tags IS
'One row is one tag a student chose, normalised, and its tag_id in source_tags; two may be the same text. Adaptation point.';
