-- The implicit interests of a past moment (pg_temp.past_interests), as far as they can be told.
--
-- Stored scores are state, and hold what was clicked since. A row last seen by the moment is as it
-- was then; one seen later is added up again from the interactions up to the moment. Of what was
-- done with one event within an hour the strongest counts, as it does within one batch.

CREATE OR REPLACE FUNCTION recommender._fold_implicit_interests()
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_half_life double precision := (
        SELECT p.decay_half_life_hours FROM recommender.parameters AS p
    );
    v_cap double precision := (SELECT p.implicit_score_cap FROM recommender.parameters AS p);
    v_threshold double precision := (
        SELECT p.dwell_threshold_seconds FROM recommender.parameters AS p
    );
BEGIN
    DROP TABLE IF EXISTS pg_temp.past_interests, pg_temp.later_interests;
    CREATE TEMPORARY TABLE later_interests AS
    SELECT DISTINCT
        u.user_id,
        u.feature,
        u.attribute
    FROM recommender.user_attribute_sources AS u
    WHERE u.source = 'implicit' AND u.last_seen_at > v_as_of;
    -- Who reads it asks for one student's feature at a time, row by row.
    CREATE INDEX ON pg_temp.later_interests (user_id, feature, attribute);
    ANALYZE pg_temp.later_interests;

    CREATE TEMPORARY TABLE past_interests AS
    SELECT
        d.user_id,
        d.feature,
        d.attribute,
        least(v_cap, sum(recommender.decayed_score(
            d.delta, d.occurred_at, v_as_of, v_half_life, v_cap
        ) ORDER BY d.occurred_at, d.event_id)) / v_cap AS weight
    FROM (
        SELECT
            i.user_id,
            a.feature,
            a.attribute,
            i.event_id,
            max(i.occurred_at) AS occurred_at,
            max(
                recommender._learning_delta(i.interaction_type, i.meta, v_threshold)
                * CASE a.feature WHEN 'overlap_interest_ratio' THEN a.value ELSE 1 END
            ) AS delta
        FROM (
            -- Read once: the planner expects few matches, and would look each of many pairs up.
            SELECT
                s.user_id,
                s.event_id,
                s.interaction_type,
                s.occurred_at,
                s.meta
            FROM recommender.source_interactions AS s
            WHERE
                s.interaction_type IN ('click', 'view', 'dwell', 'share', 'favorite', 'register')
                AND s.user_id IN (SELECT k.user_id FROM pg_temp.later_interests AS k)
            OFFSET 0
        ) AS i
        INNER JOIN recommender.event_base_attributes AS a ON a.event_id = i.event_id
        INNER JOIN pg_temp.later_interests AS l
            ON l.user_id = i.user_id AND l.feature = a.feature AND l.attribute = a.attribute
        GROUP BY i.user_id, a.feature, a.attribute, i.event_id, date_trunc('hour', i.occurred_at)
        UNION ALL
        SELECT
            i.user_id,
            n.feature,
            n.attribute,
            NULL AS event_id,
            i.occurred_at,
            0.2 AS delta
        FROM recommender.source_intents AS i
        CROSS JOIN LATERAL (
            SELECT 'category_match' AS feature, i.category AS attribute
            UNION ALL
            SELECT 'same_city' AS feature, i.city AS attribute
            UNION
            SELECT
                'overlap_interest_ratio' AS feature,
                recommender.normalize_text(t.tag #>> '{}') AS attribute
            FROM jsonb_array_elements(i.tags) AS t (tag)
            WHERE jsonb_typeof(t.tag) = 'string'
        ) AS n
        INNER JOIN pg_temp.later_interests AS l
            ON l.user_id = i.user_id AND l.feature = n.feature AND l.attribute = n.attribute
    ) AS d
    WHERE d.delta > 0
    GROUP BY d.user_id, d.feature, d.attribute;
    ANALYZE pg_temp.past_interests;
END;
$$;

COMMENT ON FUNCTION recommender._fold_implicit_interests() IS
'Builds pg_temp.past_interests for a moment in the past: one row per (user, feature, attribute) whose implicit score was changed after recommender.as_of(), with the weight (0 to 1) that the interactions up to that moment add up to, by the rule of recommender._learn_interests; and pg_temp.later_interests, the keys of those rows. Interactions that retention has removed are missing from it.';
