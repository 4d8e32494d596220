-- One row is two categories that the same students attend more often, or less, than by chance.

CREATE OR REPLACE VIEW recommender.category_affinities AS
WITH visitors AS MATERIALIZED (
    SELECT DISTINCT
        a.user_id,
        a.category
    FROM recommender.attendances AS a
    WHERE a.category IS NOT NULL
),

sizes AS MATERIALIZED (
    SELECT
        v.category,
        count(*)::double precision AS size
    FROM visitors AS v
    GROUP BY v.category
),

pairs AS (
    SELECT
        v.category,
        o.category AS other_category,
        count(*) AS common_count
    FROM visitors AS v
    INNER JOIN visitors AS o ON o.user_id = v.user_id
    GROUP BY v.category, o.category
)

SELECT
    s.category,
    o.category AS other_category,
    x.affinity
FROM sizes AS s
CROSS JOIN sizes AS o
LEFT JOIN pairs AS p ON p.category = s.category AND p.other_category = o.category
CROSS JOIN LATERAL (
    SELECT ln(
        (coalesce(p.common_count, 0) + 0.5)
        * (SELECT count(DISTINCT v.user_id) FROM visitors AS v)
        / (s.size * o.size + 25)
    ) AS affinity
) AS x
WHERE abs(x.affinity) >= 0.3;

COMMENT ON VIEW recommender.category_affinities IS
'One row is one category and another, other_category (or the same): affinity is ln((users of both + 0.5) * users / (users of one * users of the other + 25)), as of organizer_affinities, below 0 where they keep away from each other; none where it says little, between -0.3 and 0.3.';
