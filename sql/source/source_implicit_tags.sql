-- One row is one tag a student's clicks speak for; state, not versioned.

CREATE OR REPLACE VIEW recommender.source_implicit_tags AS
SELECT
    it.user_id,
    t.tag,
    it.score,
    it.last_seen_at,
    t.tag_id
FROM public.user_implicit_interest_tags AS it
INNER JOIN recommender.source_tags AS t ON t.tag_id = it.tag_id
WHERE (SELECT recommender._counts_implicit());

COMMENT ON VIEW recommender.source_implicit_tags IS
'One row is one normalised tag with its implicit score at last_seen_at, and its tag_id in source_tags; two may be the same text. Empty in a backtest, which stands at a moment whose scores nobody kept: where this view is adapted, keep recommender._counts_implicit(). Adaptation point.';
