-- The reasons of one student's events that attendances speak for, where they say most.
--
-- The events' side is read from its twin or from the plain view, which takes half a second: who
-- must not wait reads the twin, whatever its age.

CREATE OR REPLACE FUNCTION recommender._attendance_reasons(
    p_user_id integer,
    p_event_ids integer[],
    p_model public.recommender_models,
    p_templates recommender.reason_templates,
    p_is_twin_read boolean
)
RETURNS TABLE (event_id integer, reason text)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
BEGIN
    IF recommender.feature_set(p_model.feature_names) IS DISTINCT FROM 'extended' THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH profile AS MATERIALIZED (
        SELECT
            a.feature,
            a.attribute,
            a.weight * recommender.model_weight(p_model, a.feature) AS contribution
        FROM recommender.user_attributes AS a
        WHERE
            a.user_id = p_user_id
            AND a.weight > 0
            AND a.feature IN (
                'series_share', 'organizer_match', 'attended_organizer_age', 'new_series_share',
                'co_attendance', 'overlap_interest_ratio'
            )
    ),

    matches AS (
        SELECT
            t.event_id,
            u.feature,
            u.attribute,
            u.contribution * t.value AS contribution
        FROM profile AS u
        CROSS JOIN LATERAL (
            SELECT
                s.event_id,
                s.value
            FROM recommender.upcoming_attributes_snapshot AS s
            WHERE
                s.attribute = u.attribute
                AND s.feature = u.feature
                AND s.event_id = ANY (p_event_ids)
            OFFSET 0
        ) AS t
        WHERE p_is_twin_read
        UNION ALL
        SELECT
            a.event_id,
            u.feature,
            u.attribute,
            u.contribution * a.value AS contribution
        FROM recommender.event_attributes AS a
        INNER JOIN profile AS u ON u.feature = a.feature AND u.attribute = a.attribute
        WHERE a.event_id = ANY (p_event_ids) AND NOT p_is_twin_read
    ),

    speakers AS (
        SELECT
            m.event_id,
            k.kind,
            sum(m.contribution) AS logit,
            bool_or(m.feature <> 'organizer_match') AS is_told,
            (array_agg(
                m.attribute
                ORDER BY recommender.sort_key(m.contribution) DESC, m.attribute COLLATE "C"
            ))[1] AS attribute
        FROM matches AS m
        INNER JOIN recommender.source_events AS e ON e.event_id = m.event_id
        CROSS JOIN LATERAL (
            SELECT recommender._reason_kind(m.feature, m.attribute, e.organizer_id) AS kind
        ) AS k
        WHERE k.kind IS NOT NULL
        GROUP BY m.event_id, k.kind
    ),

    loudest AS (
        SELECT DISTINCT ON (s.event_id)
            s.event_id,
            s.kind,
            s.logit,
            CASE WHEN s.kind IN ('organizer', 'co_attendance') THEN s.attribute::integer END
                AS named_id
        FROM speakers AS s
        WHERE s.is_told
        ORDER BY s.event_id, recommender.sort_key(s.logit) DESC, s.kind
    )

    SELECT
        l.event_id,
        recommender._attendance_sentence(
            p_templates, l.kind, recommender._organizer_name(u.org_name, u.full_name)
        )
    FROM loudest AS l
    LEFT JOIN recommender.source_users AS u ON u.user_id = l.named_id
    WHERE recommender.sort_key(l.logit) >= 5e8;
END;
$$;

COMMENT ON FUNCTION recommender._attendance_reasons(
    integer, integer[], public.recommender_models, recommender.reason_templates, boolean
) IS
'For a model of the extended set one row for each of p_event_ids for which series, organizer or co_attendance (recommender._reason_kind) speaks louder than the others and than the interests, with at least half a logit: the sentence, NULL where it would need a name that is not there. A click alone does not make an organizer speak. What the events have is read from upcoming_attributes_snapshot if p_is_twin_read, so that an event it does not have yet has no row. No rows for a model of the base set.';
