-- One row is two organizers whose events the same students attend more often than by chance.

CREATE OR REPLACE VIEW recommender.organizer_affinities AS
WITH visitors AS MATERIALIZED (
    SELECT DISTINCT
        a.user_id,
        a.organizer_id
    FROM recommender.attendances AS a
),

sizes AS MATERIALIZED (
    SELECT
        v.organizer_id,
        count(*)::double precision AS size
    FROM visitors AS v
    GROUP BY v.organizer_id
),

pairs AS (
    SELECT
        v.organizer_id,
        o.organizer_id AS other_id,
        count(*) AS common_count
    FROM visitors AS v
    INNER JOIN visitors AS o ON o.user_id = v.user_id
    GROUP BY v.organizer_id, o.organizer_id
    HAVING count(*) >= 2
)

SELECT
    p.organizer_id,
    p.other_id,
    x.affinity
FROM pairs AS p
INNER JOIN sizes AS s ON s.organizer_id = p.organizer_id
INNER JOIN sizes AS o ON o.organizer_id = p.other_id
CROSS JOIN LATERAL (
    SELECT ln(
        (p.common_count + 0.5)
        * (SELECT count(DISTINCT v.user_id) FROM visitors AS v)
        / (s.size * o.size + 25)
    ) AS affinity
) AS x
WHERE x.affinity > 0;

COMMENT ON VIEW recommender.organizer_affinities IS
'One row is one organizer and another, other_id (or the same), with at least two users in common: affinity is ln((common + 0.5) * users / (users of one * users of the other + 25)), the pointwise mutual information of attending both, drawn to 0 where they are few; only above 0.';
