-- Finds the lists that a new or changed event may enter.
--
-- Compared as of the moment of the list: since then all events within the window of days_until have
-- come nearer by the same, which changes no order.
--
-- Nested loops are off: how many pairs share something, no statistics say.

CREATE OR REPLACE FUNCTION recommender._find_entered_lists(p_run public.recommendation_runs)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
SET enable_nestloop = 'off'
SET jit = 'off'
AS $$
DECLARE
    v_model public.recommender_models;
    v_days_until_weight double precision;
    v_half_life_hours double precision := (
        SELECT p.decay_half_life_hours FROM recommender.parameters AS p
    );
    v_cap double precision := (SELECT p.implicit_score_cap FROM recommender.parameters AS p);
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_temp.scoring_changes AS c WHERE c.is_changed AND c.is_eligible
    ) THEN
        RETURN;
    END IF;
    SELECT m.* INTO STRICT v_model
    FROM public.recommender_models AS m WHERE m.model_version = p_run.model_version;
    v_days_until_weight := recommender.model_weight(v_model, 'days_until');

    DROP TABLE IF EXISTS pg_temp.scoring_entering;
    CREATE TEMPORARY TABLE scoring_entering ON COMMIT DROP AS
    SELECT
        c.event_id,
        a.feature,
        a.attribute,
        a.value * recommender.model_weight(v_model, a.feature) AS contribution
    FROM pg_temp.scoring_changes AS c
    INNER JOIN recommender.event_attributes_snapshot AS a ON a.event_id = c.event_id
    WHERE
        c.is_changed
        AND c.is_eligible
        AND a.feature = ANY (v_model.feature_names)
        -- Those are in the bases.
        AND a.feature <> ALL (recommender._number_features(v_model));
    ANALYZE pg_temp.scoring_entering;

    -- By its base alone.
    INSERT INTO pg_temp.scoring_due (user_id)
    SELECT l.user_id
    FROM pg_temp.scoring_ends AS l
    INNER JOIN (
        SELECT
            g.generated_at,
            max(c.base + v_days_until_weight * recommender.days_until(
                c.start_time, g.generated_at
            )) AS base
        FROM (SELECT DISTINCT o.generated_at FROM pg_temp.scoring_ends AS o) AS g
        CROSS JOIN pg_temp.scoring_changes AS c
        WHERE c.is_changed AND c.is_eligible
        GROUP BY g.generated_at
    ) AS b ON b.generated_at = l.generated_at
    WHERE recommender.sigmoid(b.base + l.own_logit) >= l.end_score;

    -- By what it shares with the student.
    INSERT INTO pg_temp.scoring_due (user_id)
    WITH shared AS (
        SELECT
            u.user_id,
            a.event_id,
            sum(u.weight * a.contribution) AS contribution
        FROM (
            SELECT
                s.user_id,
                s.feature,
                s.attribute,
                max(CASE
                    WHEN s.source = 'implicit' THEN recommender.decayed_score(
                        s.score, s.last_seen_at, l.generated_at, v_half_life_hours, v_cap
                    ) / v_cap
                    WHEN s.source = 'attendance' THEN s.score
                    ELSE 1
                END) AS weight
            FROM (
                SELECT DISTINCT
                    e.feature,
                    e.attribute
                FROM pg_temp.scoring_entering AS e
            ) AS d
            INNER JOIN recommender.user_attribute_sources_snapshot AS s
                ON s.attribute = d.attribute AND s.feature = d.feature
            INNER JOIN pg_temp.scoring_ends AS l ON l.user_id = s.user_id
            GROUP BY s.user_id, s.feature, s.attribute
        ) AS u
        INNER JOIN pg_temp.scoring_entering AS a
            ON a.attribute = u.attribute AND a.feature = u.feature
        GROUP BY u.user_id, a.event_id
    )

    SELECT DISTINCT l.user_id
    FROM shared AS s
    INNER JOIN pg_temp.scoring_ends AS l ON l.user_id = s.user_id
    INNER JOIN pg_temp.scoring_changes AS c ON c.event_id = s.event_id
    WHERE
        recommender.sigmoid(
            c.base
            + v_days_until_weight * recommender.days_until(c.start_time, l.generated_at)
            + s.contribution
            + l.own_logit
        ) >= l.end_score;
END;
$$;

COMMENT ON FUNCTION recommender._find_entered_lists(public.recommendation_runs) IS
'Adds to pg_temp.scoring_due the students of pg_temp.scoring_ends in whose list an event of pg_temp.scoring_changes that has changed and is eligible reaches the end_score.';
