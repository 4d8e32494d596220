-- An always-valid test of whether one sort's rate is below the least allowed of the other's.
--
-- R is hits / trials of a sort, c = 1 - drop. The null hypothesis is R(recommended) >= c R(time),
-- the statistic D = R(recommended) - c R(time). The variance of a ratio is that of its linear form
-- (Deng, Knoblich, Lu 2018, "Applying the Delta Method in Metric Analytics", section 3): the sum
-- over students of u², u = (hits - R trials) / all trials of the sort. The student is the unit,
-- whose trials may depend on each other; one with trials in both sorts adds a covariance.
--
-- The bound is the one-sided normal mixture (Robbins 1970; in closed form in Howard, Ramdas,
-- McAuliffe, Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences"; with
-- estimated variances in Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2021, "Time-uniform central
-- limit theory and asymptotic confidence sequences"): with n trials a sort and the tuning t,
--     z < -sqrt((n + t) / n * 2 ln(1 + sqrt((n + t) / t) / (2 alpha)))
-- happens at any of all looks with probability alpha at most.

CREATE OR REPLACE FUNCTION recommender._sequential_test(
    p_moments jsonb,
    p_allowed_drop double precision,
    p_tuned_trials double precision,
    p_alpha double precision
)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- Materialized: an expression that is used twice would be computed twice, and so on.
    WITH sums AS MATERIALIZED (
        SELECT
            g.allowed,
            g.alpha,
            g.tuned_trials,
            nullif(r.trials, 0) AS r_trials,
            r.hits AS r_hits,
            r.hits / nullif(r.trials, 0) AS r_rate,
            r.trials ^ 2 / nullif(r.trial_squares, 0) AS r_students,
            r.trial_squares AS r_nn,
            r.trial_hits AS r_nc,
            r.hit_squares AS r_cc,
            nullif(t.trials, 0) AS t_trials,
            t.hits AS t_hits,
            t.hits / nullif(t.trials, 0) AS t_rate,
            t.trials ^ 2 / nullif(t.trial_squares, 0) AS t_students,
            t.trial_squares AS t_nn,
            t.trial_hits AS t_nc,
            t.hit_squares AS t_cc,
            coalesce(b.trials_trials, 0) AS nn,
            coalesce(b.trials_hits, 0) AS nc,
            coalesce(b.hits_trials, 0) AS cn,
            coalesce(b.hits_hits, 0) AS cc
        FROM (
            SELECT
                p_moments AS moments,
                1 - p_allowed_drop AS allowed,
                p_alpha AS alpha,
                p_tuned_trials AS tuned_trials
        ) AS g
        CROSS JOIN LATERAL jsonb_to_record(g.moments -> 'recommended') AS r (
            trials double precision, hits double precision, trial_squares double precision,
            trial_hits double precision, hit_squares double precision
        )
        CROSS JOIN LATERAL jsonb_to_record(g.moments -> 'time') AS t (
            trials double precision, hits double precision, trial_squares double precision,
            trial_hits double precision, hit_squares double precision
        )
        CROSS JOIN LATERAL jsonb_to_record(coalesce(g.moments -> 'both', '{}')) AS b (
            trials_trials double precision, trials_hits double precision,
            hits_trials double precision, hits_hits double precision
        )
    ),

    tuned AS MATERIALIZED (
        SELECT
            s.*,
            -- One busy student is no crowd: Kish's effective number, (sum n)² / sum n².
            least(coalesce(s.r_students, 0), coalesce(s.t_students, 0)) AS students,
            2 * s.r_trials * s.t_trials / (s.r_trials + s.t_trials) AS trials,
            -- The tuning with the lowest bound at p_tuned_trials; one-sided, so twice alpha
            -- (Waudby-Smith et al., the approximate optimum of rho).
            s.tuned_trials / (-2 * ln(2 * s.alpha) + ln(1 - 2 * ln(2 * s.alpha))) AS tuning,
            -- The time sort's rate at the edge of the null hypothesis, both sorts' hits given.
            (s.r_hits + s.t_hits) / (s.allowed * s.r_trials + s.t_trials) AS edge
        FROM sums AS s
    ),

    variances AS MATERIALIZED (
        -- Few hits look like little variance, and few hits are what is tested: so never less than
        -- independent trials would have at the edge.
        SELECT
            t.*,
            greatest(
                (t.r_cc - 2 * t.r_rate * t.r_nc + t.r_rate ^ 2 * t.r_nn) / t.r_trials ^ 2
                * t.students / (t.students - 1),
                t.allowed * t.edge * (1 - t.allowed * t.edge) / t.r_trials,
                0
            ) AS r_variance,
            greatest(
                (t.t_cc - 2 * t.t_rate * t.t_nc + t.t_rate ^ 2 * t.t_nn) / t.t_trials ^ 2
                * t.students / (t.students - 1),
                t.edge * (1 - t.edge) / t.t_trials,
                0
            ) AS t_variance,
            (t.cc - t.t_rate * t.cn - t.r_rate * t.nc + t.r_rate * t.t_rate * t.nn)
            / (t.r_trials * t.t_trials)
            * t.students / (t.students - 1) AS covariance,
            sqrt(
                (t.trials + t.tuning) / t.trials
                * 2 * ln(1 + sqrt((t.trials + t.tuning) / t.tuning) / (2 * t.alpha))
            ) AS bound
        FROM tuned AS t
        -- Fewer students than the central limit theorem needs to speak of them.
        WHERE t.students >= 30
    ),

    deviations AS MATERIALIZED (
        SELECT
            v.*,
            (v.r_rate - v.allowed * v.t_rate) / nullif(sqrt(greatest(
                v.r_variance - 2 * v.allowed * v.covariance + v.allowed ^ 2 * v.t_variance, 0
            )), 0) AS z,
            -- The largest c that D is not significantly below 0 at (Fieller 1954) solves
            -- a c² - 2 b c + d = 0; without a positive a there is none.
            v.t_rate ^ 2 - v.bound ^ 2 * v.t_variance AS a,
            v.r_rate * v.t_rate - v.bound ^ 2 * v.covariance AS b,
            v.r_rate ^ 2 - v.bound ^ 2 * v.r_variance AS d
        FROM variances AS v
    )

    SELECT jsonb_build_object(
        'recommended_rate', t.r_rate,
        'recommended_students', t.r_students,
        'time_rate', t.t_rate,
        'time_students', t.t_students,
        'ratio', t.r_rate / nullif(t.t_rate, 0),
        'allowed_ratio', t.allowed,
        'ratio_upper_bound', CASE WHEN d.a > 0
            THEN (d.b + sqrt(greatest(d.b ^ 2 - d.a * d.d, 0))) / d.a
        END,
        'z', d.z,
        'z_bound', -d.bound,
        -- Where the bound lies at z, solved for alpha.
        'p_value', CASE WHEN d.z < 0
            THEN least(
                1,
                sqrt((d.trials + d.tuning) / d.tuning)
                / nullif(
                    2 * (exp(least(d.z ^ 2 * d.trials / (d.trials + d.tuning) / 2, 700)) - 1), 0
                )
            )
            ELSE 1
        END,
        'alpha', t.alpha,
        'is_judged', d.z IS NOT NULL,
        'is_worse', coalesce(d.z < -d.bound, false)
    )
    FROM tuned AS t
    LEFT JOIN deviations AS d ON true;
END;

COMMENT ON FUNCTION recommender._sequential_test(
    jsonb, double precision, double precision, double precision
) IS
'Whether recommended''s rate is below (1 - p_allowed_drop) × time''s, from one metric of _guardrail_moments: is_worse is true at any of all looks with a probability of p_alpha at most when it is not. Gives both rates and effective numbers of students, ratio (NULL: time has no hits) with an upper bound that holds at all looks at once (NULL: none) and allowed_ratio, z and z_bound, the always-valid p_value, and is_judged: false with fewer than 30 effective students in a sort, or nothing that varies. p_tuned_trials is the number of trials a sort at which the bound is tightest.';
