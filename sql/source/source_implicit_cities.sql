-- One row is one city a student's clicks speak for; state, not versioned.

CREATE OR REPLACE VIEW recommender.source_implicit_cities AS
SELECT
    ic.user_id,
    recommender.normalize_text(ic.city) AS city,
    ic.score,
    ic.last_seen_at
FROM public.user_implicit_interest_cities AS ic
WHERE
    recommender.normalize_text(ic.city) IS NOT NULL
    AND (SELECT recommender._counts_implicit());

COMMENT ON VIEW recommender.source_implicit_cities IS
'One row is one normalised city with its implicit score at last_seen_at; two may be the same text. Empty in a backtest, which stands at a moment whose scores nobody kept: where this view is adapted, keep recommender._counts_implicit(). Adaptation point.';
