-- All events a student may be recommended, in the order that weights give, and why.
--
-- It reads what rank_events reads, the twin while that is fresh, and adds up in the same terms.

CREATE OR REPLACE FUNCTION recommender._rank_all(
    p_user_id integer, p_feature_names text[], p_weights double precision[]
)
RETURNS TABLE (
    rank bigint,
    event_id integer,
    logit double precision,
    event_logit double precision,
    contributions double precision[]
)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_as_of_epoch double precision := date_part('epoch', v_as_of);
    v_is_fresh boolean := recommender._has_fresh_upcoming(
        v_as_of, interval '10 minutes', recommender.feature_set(p_feature_names) = 'extended'
    );
    -- Numbers of the event that its row does not have: everybody has their attribute.
    v_numbers text[] := ARRAY(
        SELECT f.feature
        FROM unnest(p_feature_names) AS f (feature)
        WHERE
            recommender.feature_kind(f.feature) = 'event'
            AND f.feature NOT IN ('bias', 'popularity', 'days_until')
    );
BEGIN
    RETURN QUERY
    WITH candidates AS MATERIALIZED (
        SELECT
            c.event_id,
            c.is_live,
            -- With weights 0, 1, 0 the base is the popularity itself.
            c.base AS popularity,
            recommender._days_until_epoch(
                date_part('epoch', e.start_time), v_as_of_epoch
            ) AS days_until
        FROM recommender._candidate_events(v_as_of, v_as_of_epoch, v_is_fresh, 0, 1, 0) AS c
        INNER JOIN recommender.eligible_events AS e ON e.event_id = c.event_id
        WHERE c.event_id NOT IN (
            SELECT r.event_id
            FROM recommender.source_registrations AS r
            WHERE r.user_id = p_user_id
        )
    ),

    weighed AS MATERIALIZED (
        SELECT
            f.feature,
            f.feature_no,
            f.weight
        FROM unnest(p_feature_names, p_weights)
            WITH ORDINALITY AS f (feature, weight, feature_no)
    ),

    profile AS MATERIALIZED (
        SELECT
            w.feature_no,
            a.feature,
            a.attribute,
            a.weight * w.weight AS contribution
        FROM (
            SELECT
                ua.feature,
                ua.attribute,
                ua.weight
            FROM recommender.user_attributes AS ua
            WHERE ua.user_id = p_user_id AND ua.weight > 0
            UNION ALL
            SELECT
                n.feature,
                '' AS attribute,
                1 AS weight
            FROM unnest(v_numbers) AS n (feature)
        ) AS a
        INNER JOIN weighed AS w ON w.feature = a.feature
    ),

    matches AS (
        SELECT
            s.event_id,
            u.feature_no,
            u.contribution * s.value AS contribution
        FROM profile AS u
        INNER JOIN recommender.upcoming_attributes_snapshot AS s
            ON s.attribute = u.attribute AND s.feature = u.feature
        WHERE v_is_fresh
        UNION ALL
        SELECT
            a.event_id,
            u.feature_no,
            u.contribution * a.value AS contribution
        FROM (
            SELECT ARRAY(SELECT c.event_id FROM candidates AS c WHERE c.is_live) AS event_ids
        ) AS live
        CROSS JOIN LATERAL (
            SELECT
                e.event_id,
                e.feature,
                e.attribute,
                e.value
            FROM recommender.event_attributes AS e
            WHERE e.event_id = ANY (live.event_ids)
            OFFSET 0
        ) AS a
        INNER JOIN profile AS u ON a.feature = u.feature AND a.attribute = u.attribute
        WHERE live.event_ids <> '{}'
        UNION ALL
        SELECT
            c.event_id,
            w.feature_no,
            w.weight * CASE w.feature
                WHEN 'bias' THEN 1
                WHEN 'popularity' THEN c.popularity
                ELSE c.days_until
            END AS contribution
        FROM candidates AS c
        INNER JOIN weighed AS w ON w.feature IN ('bias', 'popularity', 'days_until')
        UNION ALL
        SELECT
            c.event_id,
            u.feature_no,
            u.contribution
        FROM candidates AS c
        INNER JOIN profile AS u
            ON u.attribute = '' AND recommender.feature_kind(u.feature) = 'student'
    ),

    by_feature AS (
        SELECT
            m.event_id,
            m.feature_no,
            sum(m.contribution) AS contribution
        FROM matches AS m
        INNER JOIN candidates AS c ON c.event_id = m.event_id
        GROUP BY m.event_id, m.feature_no
    ),

    -- What is the student's alone orders nothing, and is left out of what lists are sorted by.
    scored AS (
        SELECT
            c.event_id,
            sum(f.contribution) AS logit,
            sum(f.contribution) FILTER (
                WHERE recommender.feature_kind(w.feature) <> 'student'
            ) AS event_logit,
            array_agg(coalesce(f.contribution, 0) ORDER BY w.feature_no) AS contributions
        FROM candidates AS c
        CROSS JOIN weighed AS w
        LEFT JOIN by_feature AS f
            ON f.event_id = c.event_id AND f.feature_no = w.feature_no
        GROUP BY c.event_id
    )

    SELECT
        row_number() OVER (ORDER BY recommender.sort_key(x.event_logit) DESC, x.event_id),
        x.event_id,
        x.logit,
        x.event_logit,
        x.contributions
    FROM scored AS x
    ORDER BY 1;
END;
$$;

COMMENT ON FUNCTION recommender._rank_all(integer, text[], double precision[]) IS
'Every eligible event that a student is not registered for, ranked as recommender.rank_events would with these weights (one finite number for each of p_feature_names, a set''s): rank from 1, logit, event_logit (without what is the student''s alone, by which it is ranked), and contributions, weight * feature in the order of the features, which add up to it.';
