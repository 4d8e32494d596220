-- The logarithm of the gamma function, which PostgreSQL has from 18 on only.

CREATE OR REPLACE FUNCTION recommender._log_gamma(p_x double precision)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
BEGIN ATOMIC
    -- Stirling's series ten places further on, where four of its terms leave 1e-12
    -- (Abramowitz and Stegun 6.1.41), and back by gamma(x + 1) = x gamma(x).
    SELECT
        (y.y - 0.5) * ln(y.y) - y.y + 0.5 * ln(2 * pi())
        + 1 / (12 * y.y) - 1 / (360 * y.y ^ 3) + 1 / (1260 * y.y ^ 5) - 1 / (1680 * y.y ^ 7)
        - ln(p_x) - ln(p_x + 1) - ln(p_x + 2) - ln(p_x + 3) - ln(p_x + 4)
        - ln(p_x + 5) - ln(p_x + 6) - ln(p_x + 7) - ln(p_x + 8) - ln(p_x + 9)
    FROM (SELECT p_x + 10 AS y) AS y;
END;

COMMENT ON FUNCTION recommender._log_gamma(double precision) IS
'ln(gamma(x)) for x above 0, within 1e-9 for x up to a million; an error for other x. NULL gives NULL.';
