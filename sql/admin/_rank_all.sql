-- All events a student may be recommended, in the order that weights give, and why.
--
-- It reads what rank_events reads, the twin while that is fresh, and adds up in the same terms.

CREATE OR REPLACE FUNCTION recommender._rank_all(
    p_user_id integer, p_weights double precision[]
)
RETURNS TABLE (
    rank bigint, event_id integer, logit double precision, contributions double precision[]
)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_as_of_epoch double precision := date_part('epoch', v_as_of);
    v_is_fresh boolean := recommender._has_fresh_upcoming(v_as_of, interval '10 minutes');
    v_features text[] := recommender.feature_names();
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

    profile AS MATERIALIZED (
        SELECT
            array_position(v_features, ua.feature) AS feature_no,
            ua.feature,
            ua.attribute,
            ua.weight * p_weights[array_position(v_features, ua.feature)] AS contribution
        FROM recommender.user_attributes AS ua
        WHERE ua.user_id = p_user_id AND ua.weight > 0
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
        FROM profile AS u
        INNER JOIN recommender.event_attributes AS a
            ON a.feature = u.feature AND a.attribute = u.attribute
        WHERE a.event_id = ANY (ARRAY(SELECT c.event_id FROM candidates AS c WHERE c.is_live))
    ),

    shared AS (
        SELECT
            m.event_id,
            sum(m.contribution) AS total,
            ARRAY[
                sum(m.contribution) FILTER (WHERE m.feature_no = 2),
                sum(m.contribution) FILTER (WHERE m.feature_no = 3),
                sum(m.contribution) FILTER (WHERE m.feature_no = 4),
                sum(m.contribution) FILTER (WHERE m.feature_no = 5),
                sum(m.contribution) FILTER (WHERE m.feature_no = 6)
            ] AS by_feature
        FROM matches AS m
        GROUP BY m.event_id
    ),

    scored AS (
        SELECT
            c.event_id,
            p_weights[1] + p_weights[7] * c.popularity + p_weights[8] * c.days_until
            + coalesce(s.total, 0) AS logit,
            p_weights[1]
            || coalesce(s.by_feature, ARRAY[NULL, NULL, NULL, NULL, NULL]::double precision[])
            || ARRAY[p_weights[7] * c.popularity, p_weights[8] * c.days_until] AS contributions
        FROM candidates AS c
        LEFT JOIN shared AS s ON s.event_id = c.event_id
    )

    SELECT
        row_number() OVER (ORDER BY recommender.sort_key(x.logit) DESC, x.event_id),
        x.event_id,
        x.logit,
        array_replace(x.contributions, NULL, 0)
    FROM scored AS x
    ORDER BY 1;
END;
$$;

COMMENT ON FUNCTION recommender._rank_all(integer, double precision[]) IS
'Every eligible event that a student is not registered for, ranked as recommender.rank_events would with these weights (one finite number for each of recommender.feature_names()): rank from 1, logit, and contributions, weight * feature in the order of the features, which add up to it.';
