-- How sure a share of so many is.
--
-- Wilson 1927, "Probable inference, the law of succession, and statistical inference": the shares
-- that a test of 95 % would not refuse. It stays between 0 and 1, also of few trials.

CREATE OR REPLACE FUNCTION recommender._wilson_interval(
    p_hits bigint,
    p_trials bigint,
    OUT low double precision,
    OUT high double precision
)
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        greatest(i.middle - i.reach, 0) AS low,
        least(i.middle + i.reach, 1) AS high
    FROM (
        SELECT
            CASE WHEN p_hits BETWEEN 0 AND p_trials AND p_trials > 0
                THEN p_trials::double precision
            END AS trials,
            -- The 97.5th percentile of the normal distribution.
            1.959963984540054 AS z
    ) AS n
    CROSS JOIN LATERAL (
        SELECT p_hits / n.trials AS share
    ) AS s
    CROSS JOIN LATERAL (
        SELECT
            (s.share + n.z * n.z / (2 * n.trials)) / (1 + n.z * n.z / n.trials) AS middle,
            n.z / (1 + n.z * n.z / n.trials) * sqrt(
                s.share * (1 - s.share) / n.trials + n.z * n.z / (4 * n.trials * n.trials)
            ) AS reach
    ) AS i
    WHERE n.trials IS NOT NULL;
END;

COMMENT ON FUNCTION recommender._wilson_interval(bigint, bigint) IS
'The 95 % Wilson interval of p_hits / p_trials, both between 0 and 1; NULL of no trials, and of more hits than trials. Each trial counts as one of its own: of trials that belong together (many impressions of one student) it is too narrow.';
