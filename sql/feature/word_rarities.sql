-- One row is one word of titles that is not in every tenth of them, and how rare it is.

CREATE OR REPLACE VIEW recommender.word_rarities AS
SELECT
    w.word,
    w.rarity
FROM (
    SELECT
        t.word,
        round(1000 * ln(
            (1.0 + (SELECT count(n.event_id) FROM recommender.held_events AS n)) / (1 + count(*))
        ))::bigint AS rarity
    FROM recommender.held_events AS e
    CROSS JOIN LATERAL recommender.title_words(e.title) AS t (word)
    GROUP BY t.word
) AS w
WHERE w.rarity > 2302;

COMMENT ON VIEW recommender.word_rarities IS
'One row is one word of the titles of held_events, in less than a tenth of them: rarity is 1000 * ln((1 + events) / (1 + events with it)), whole, so that sums do not depend on the order.';
