-- An always-valid test of whether students fell into the experiment as its percentage says.
--
-- Lindon and Malek 2022, "Anytime-valid inference for multinomial count data": the Bayes factor of
-- a Dirichlet prior against the shares that were meant is a martingale as long as they hold.

CREATE OR REPLACE FUNCTION recommender._test_sample_ratio(
    p_treated bigint, p_control bigint, p_percent integer
)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- Materialized: an expression that is used twice would be computed twice, and so on.
    WITH shares AS MATERIALIZED (
        -- The prior weighs as much as 50 students: small sites see gross mismatches, and large ones
        -- lose little.
        SELECT
            e.treated_count,
            e.control_count,
            e.share AS treated,
            1 - e.share AS control,
            50 * e.share AS treated_prior,
            50 * (1 - e.share) AS control_prior
        FROM (
            SELECT
                p_treated AS treated_count,
                p_control AS control_count,
                CASE WHEN p_percent BETWEEN 1 AND 99
                    THEN p_percent / 100.0::double precision
                END AS share
        ) AS e
    ),

    factors AS MATERIALIZED (
        SELECT
            recommender._log_gamma(s.treated_prior + s.treated_count)
            - recommender._log_gamma(s.treated_prior)
            + recommender._log_gamma(s.control_prior + s.control_count)
            - recommender._log_gamma(s.control_prior)
            + recommender._log_gamma(50)
            - recommender._log_gamma(50 + s.treated_count + s.control_count)
            - s.treated_count * ln(s.treated)
            - s.control_count * ln(s.control) AS log_factor
        FROM shares AS s
    )

    SELECT jsonb_build_object(
        'expected_share', p_percent / 100.0::double precision,
        'treated_students', p_treated,
        'control_students', p_control,
        'treated_share', p_treated::double precision / nullif(p_treated + p_control, 0),
        'p_value', CASE WHEN f.log_factor IS NOT NULL
            THEN exp(greatest(least(-f.log_factor, 0), -700))
        END,
        'is_applicable', f.log_factor IS NOT NULL,
        -- Far below the level of the verdict: a mismatch says that the experiment is broken.
        'is_mismatch', coalesce(f.log_factor > ln(1000), false)
    )
    FROM factors AS f;
END;

COMMENT ON FUNCTION recommender._test_sample_ratio(bigint, bigint, integer) IS
'Whether so many treated and control students contradict a percentage of treated ones: is_mismatch is true at any of all looks with a probability of 0.001 at most when they do not. p_value is always valid too; NULL, and is_applicable false, with a percentage of 0 or 100.';
