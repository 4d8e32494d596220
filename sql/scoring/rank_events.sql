-- One student's best events: what the student did and what was committed a moment ago counts.
--
-- The student's side is read from the plain views. The event's side is read from its twin while
-- that is fresh; events the twin does not have yet are read from the plain view. Whatever it says,
-- the list holds what recommender.eligible_events has now.
--
-- plpgsql with one generic plan: planning this join costs more than running it.

CREATE OR REPLACE FUNCTION recommender.rank_events(p_user_id integer, p_top_n integer)
RETURNS TABLE (rank integer, event_id integer, score double precision, reason text)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_as_of_epoch double precision := date_part('epoch', v_as_of);
    v_model public.recommender_models := recommender.current_model();
    v_is_extended boolean := recommender.feature_set(v_model.feature_names) = 'extended';
    v_is_fresh boolean := recommender._has_fresh_upcoming(
        v_as_of, interval '10 minutes', v_is_extended
    );
    v_number_features text[] := recommender._number_features(v_model);
    v_language text;
    v_templates recommender.reason_templates;
    v_bias_weight double precision := recommender.model_weight(v_model, 'bias');
    v_popularity_weight double precision := recommender.model_weight(v_model, 'popularity');
    v_days_until_weight double precision := recommender.model_weight(v_model, 'days_until');
BEGIN
    PERFORM recommender._validate_top_n(p_top_n);
    SELECT s.language INTO v_language
    FROM recommender.source_students AS s WHERE s.user_id = p_user_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER020',
            MESSAGE = format('there is no student %s', coalesce(p_user_id::text, 'NULL')),
            HINT = 'lists are for users whose role is student';
    END IF;

    v_templates := recommender.templates_for(v_language);

    RETURN QUERY
    WITH candidates AS MATERIALIZED (
        SELECT
            c.event_id,
            c.base,
            c.is_live
        FROM recommender._candidate_events(
            v_as_of, v_as_of_epoch, v_is_fresh,
            v_bias_weight, v_popularity_weight, v_days_until_weight
        ) AS c
    ),

    -- Numbered in the order in which a reason names them.
    profile AS MATERIALIZED (
        SELECT
            row_number() OVER (ORDER BY ua.weight DESC, ua.attribute COLLATE "C") AS attribute_no,
            ua.feature,
            ua.attribute,
            ua.weight,
            ua.weight * recommender.model_weight(v_model, ua.feature) AS contribution
        FROM (
            SELECT
                a.feature,
                a.attribute,
                a.weight
            FROM recommender.user_attributes AS a
            WHERE
                a.user_id = p_user_id
                AND a.weight > 0
                AND a.feature = ANY (v_model.feature_names)
            UNION ALL
            -- What everybody has: it makes the events' own numbers count.
            SELECT
                n.feature,
                '' AS attribute,
                1 AS weight
            FROM unnest(v_number_features) AS n (feature)
        ) AS ua
    ),

    matches AS MATERIALIZED (
        SELECT
            t.event_id,
            u.attribute_no,
            u.contribution * t.value AS contribution
        FROM profile AS u
        CROSS JOIN LATERAL (
            SELECT
                s.event_id,
                s.value
            FROM recommender.upcoming_attributes_snapshot AS s
            WHERE s.attribute = u.attribute AND s.feature = u.feature AND v_is_fresh
            OFFSET 0
        ) AS t
        UNION ALL
        SELECT
            a.event_id,
            u.attribute_no,
            u.contribution * a.value AS contribution
        FROM (
            SELECT ARRAY(SELECT c.event_id FROM candidates AS c WHERE c.is_live) AS event_ids
        ) AS live
        -- Nothing is looked up where there are none.
        CROSS JOIN LATERAL (
            SELECT
                e.event_id,
                e.feature,
                e.attribute,
                e.value
            FROM recommender.event_attributes AS e
            -- As an array they reach the base tables through the GROUP BY of event_attributes.
            WHERE e.event_id = ANY (live.event_ids)
            OFFSET 0
        ) AS a
        INNER JOIN profile AS u ON a.feature = u.feature AND a.attribute = u.attribute
        WHERE live.event_ids <> '{}'
    ),

    shared AS (
        SELECT
            m.event_id,
            sum(m.contribution) AS contribution
        FROM matches AS m
        GROUP BY m.event_id
    ),

    -- A full join is hashed or merged: whatever the estimates, it is no loop in a loop. Matches
    -- that are no candidates (any more) have neither id nor logit.
    ordered AS (
        SELECT
            c.event_id,
            c.base + coalesce(s.contribution, 0) AS logit,
            recommender.sort_key(c.base + coalesce(s.contribution, 0)) AS sort_key
        FROM candidates AS c
        FULL JOIN shared AS s ON s.event_id = c.event_id
        ORDER BY sort_key DESC NULLS LAST, c.event_id
        OFFSET 0
    ),

    -- Looked up one after the other, until there are enough.
    ranked AS MATERIALIZED (
        SELECT
            o.event_id,
            o.logit,
            o.sort_key
        FROM ordered AS o
        CROSS JOIN LATERAL (
            SELECT
            FROM recommender.eligible_events AS e
            WHERE
                e.event_id = o.event_id
                AND e.event_id NOT IN (
                    SELECT r.event_id
                    FROM recommender.source_registrations AS r
                    WHERE r.user_id = p_user_id
                )
            OFFSET 0
        ) AS e
        ORDER BY o.sort_key DESC NULLS LAST, o.event_id
        LIMIT p_top_n
    ),

    reasons AS (
        SELECT
            m.event_id,
            (array_agg(u.attribute ORDER BY u.attribute_no)
                FILTER (WHERE u.feature = 'overlap_interest_ratio')
            )[1:3] AS interests,
            bool_or(u.feature = 'same_city' AND u.weight >= 0.5) AS is_near
        FROM matches AS m
        INNER JOIN profile AS u ON u.attribute_no = m.attribute_no
        WHERE
            u.feature IN ('overlap_interest_ratio', 'same_city')
            AND m.event_id IN (SELECT k.event_id FROM ranked AS k)
        GROUP BY m.event_id
    )

    SELECT
        row_number() OVER (ORDER BY k.sort_key DESC, k.event_id)::integer AS rank,
        k.event_id,
        recommender.sigmoid(k.logit + (
            SELECT coalesce(sum(u.contribution), 0)
            FROM profile AS u
            WHERE u.attribute = '' AND recommender.feature_kind(u.feature) = 'student'
        )),
        coalesce(
            t.reason, recommender.reason_text(v_templates, w.interests, w.is_near)
        )
    FROM ranked AS k
    LEFT JOIN reasons AS w ON w.event_id = k.event_id
    LEFT JOIN recommender._attendance_reasons(
        p_user_id, ARRAY(SELECT r.event_id FROM ranked AS r), v_model, v_templates, v_is_fresh
    ) AS t ON t.event_id = k.event_id
    ORDER BY rank;
END;
$$;

COMMENT ON FUNCTION recommender.rank_events(integer, integer) IS
'One student''s top_n eligible events at recommender.as_of() under recommender.current_model(): rank from 1, score = sigmoid(logit), reason in the student''s language. Attributes and popularity of events are those of upcoming_attributes_snapshot while that is at most 10 minutes old. Writes nothing. Raises ER003, ER010 to ER012, and ER020 for somebody who is not a student.';
