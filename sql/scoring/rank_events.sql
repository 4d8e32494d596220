-- One student's best events, from the plain views: what was committed a moment ago counts.
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
    v_model public.recommender_models := recommender.current_model();
    v_bias_weight double precision := recommender.model_weight(v_model, 'bias');
    v_popularity_weight double precision := recommender.model_weight(v_model, 'popularity');
    v_days_until_weight double precision := recommender.model_weight(v_model, 'days_until');
    v_language text;
    v_templates recommender.reason_templates;
    v_event_ids integer[];
    v_bases double precision[];
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

    SELECT
        array_agg(e.event_id ORDER BY e.event_id),
        array_agg(recommender.base_logit(
            v_bias_weight, v_popularity_weight, v_days_until_weight,
            e.seats_taken, e.start_time, v_as_of
        ) ORDER BY e.event_id)
    INTO v_event_ids, v_bases
    FROM recommender.eligible_events AS e
    WHERE e.event_id NOT IN (
        SELECT r.event_id FROM recommender.source_registrations AS r
        WHERE r.user_id = p_user_id
    );

    -- The events as an array reach the base tables through the GROUP BY of event_attributes.
    RETURN QUERY
    WITH matches AS MATERIALIZED (
        SELECT
            ea.event_id,
            ea.feature,
            ea.attribute,
            ua.weight,
            ua.weight * ea.value * recommender.model_weight(v_model, ea.feature) AS contribution
        FROM recommender.user_attributes AS ua
        INNER JOIN recommender.event_attributes AS ea
            ON ea.feature = ua.feature AND ea.attribute = ua.attribute
        WHERE ua.user_id = p_user_id AND ua.weight > 0 AND ea.event_id = ANY (v_event_ids)
    ),

    -- Added up, not joined: whatever the estimates, this is one hash of the events.
    logits AS (
        SELECT
            x.event_id,
            sum(x.term) AS logit
        FROM (
            SELECT c.event_id, c.base AS term
            FROM unnest(v_event_ids, v_bases) AS c (event_id, base)
            UNION ALL
            SELECT m.event_id, m.contribution AS term
            FROM matches AS m
        ) AS x
        GROUP BY x.event_id
    ),

    ranked AS (
        SELECT
            row_number() OVER (
                ORDER BY recommender.sort_key(l.logit) DESC, l.event_id
            )::integer AS rank,
            l.event_id,
            recommender.sigmoid(l.logit) AS score
        FROM logits AS l
        ORDER BY 1
        LIMIT p_top_n
    ),

    reasons AS (
        SELECT
            x.event_id,
            (array_agg(x.attribute ORDER BY x.weight DESC, x.attribute COLLATE "C")
                FILTER (WHERE x.feature = 'overlap_interest_ratio')
            )[1:3] AS interests,
            bool_or(x.feature = 'same_city' AND x.weight >= 0.5) AS is_near
        FROM matches AS x
        WHERE x.event_id IN (SELECT k.event_id FROM ranked AS k)
        GROUP BY x.event_id
    )

    SELECT
        k.rank,
        k.event_id,
        k.score,
        recommender.reason_text(v_templates, w.interests, w.is_near)
    FROM ranked AS k
    LEFT JOIN reasons AS w ON w.event_id = k.event_id
    ORDER BY k.rank;
END;
$$;

COMMENT ON FUNCTION recommender.rank_events(integer, integer) IS
'One student''s top_n eligible events at recommender.as_of() under recommender.current_model(): rank from 1, score = sigmoid(logit), reason in the student''s language. Writes nothing. Raises ER003, ER010 to ER012, and ER020 for somebody who is not a student.';
