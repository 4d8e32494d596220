-- The sums over students that the sequential test needs, for clicks an impression and
-- registrations a click: what a decision can be computed again from.

CREATE OR REPLACE FUNCTION recommender._guardrail_moments(
    p_from timestamptz, p_to timestamptz, p_window_hours integer
)
RETURNS jsonb
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    WITH students AS (
        SELECT
            g.user_id,
            sum(g.impressions) FILTER (WHERE g.variant = 'recommended') AS r_impressions,
            sum(g.clicks) FILTER (WHERE g.variant = 'recommended') AS r_clicks,
            sum(g.conversions) FILTER (WHERE g.variant = 'recommended') AS r_conversions,
            sum(g.impressions) FILTER (WHERE g.variant = 'time') AS t_impressions,
            sum(g.clicks) FILTER (WHERE g.variant = 'time') AS t_clicks,
            sum(g.conversions) FILTER (WHERE g.variant = 'time') AS t_conversions
        FROM recommender._guardrail_students(p_from, p_to, p_window_hours) AS g
        GROUP BY g.user_id
    ),

    metrics AS (
        SELECT
            m.metric,
            m.r_trials,
            m.r_hits,
            m.t_trials,
            m.t_hits
        FROM students AS s
        CROSS JOIN LATERAL (
            VALUES
            ('ctr', s.r_impressions, s.r_clicks, s.t_impressions, s.t_clicks),
            ('conversion', s.r_clicks, s.r_conversions, s.t_clicks, s.t_conversions)
        ) AS m (metric, r_trials, r_hits, t_trials, t_hits)
    )

    SELECT jsonb_object_agg(n.metric, s.moments)
    FROM (VALUES ('ctr'), ('conversion')) AS n (metric)
    CROSS JOIN LATERAL (
        SELECT jsonb_build_object(
            'recommended', jsonb_build_object(
                'students', count(*) FILTER (WHERE m.r_trials > 0),
                'trials', coalesce(sum(m.r_trials), 0),
                'hits', coalesce(sum(m.r_hits), 0),
                'trial_squares', coalesce(sum(m.r_trials * m.r_trials), 0),
                'trial_hits', coalesce(sum(m.r_trials * m.r_hits), 0),
                'hit_squares', coalesce(sum(m.r_hits * m.r_hits), 0)
            ),
            'time', jsonb_build_object(
                'students', count(*) FILTER (WHERE m.t_trials > 0),
                'trials', coalesce(sum(m.t_trials), 0),
                'hits', coalesce(sum(m.t_hits), 0),
                'trial_squares', coalesce(sum(m.t_trials * m.t_trials), 0),
                'trial_hits', coalesce(sum(m.t_trials * m.t_hits), 0),
                'hit_squares', coalesce(sum(m.t_hits * m.t_hits), 0)
            ),
            'both', jsonb_build_object(
                'students', count(*) FILTER (WHERE m.r_trials > 0 AND m.t_trials > 0),
                'trials_trials', coalesce(sum(m.r_trials * m.t_trials), 0),
                'trials_hits', coalesce(sum(m.r_trials * m.t_hits), 0),
                'hits_trials', coalesce(sum(m.r_hits * m.t_trials), 0),
                'hits_hits', coalesce(sum(m.r_hits * m.t_hits), 0)
            )
        ) AS moments
        FROM metrics AS m
        WHERE m.metric = n.metric
    ) AS s;
END;

COMMENT ON FUNCTION recommender._guardrail_moments(timestamptz, timestamptz, integer) IS
'An object with ctr (trials are impressions, hits are clicks) and conversion (trials are clicks, hits are conversions), each with recommended, time and both: counts of students, sums over students of trials and hits, of their squares and products; in both, recommended''s comes first (trials_hits: trials in recommended × hits in time). Zeros where nothing was counted.';
