-- The eight features of every example (pg_temp.training_matrix), in one pass over shared
-- attributes.

CREATE OR REPLACE FUNCTION recommender._build_training_features(p_leave_one_out boolean)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_as_of timestamptz := recommender.as_of();
    v_half_life double precision := (
        SELECT p.decay_half_life_hours FROM recommender.parameters AS p
    );
    v_dwell_threshold double precision := (
        SELECT p.dwell_threshold_seconds FROM recommender.parameters AS p
    );
    v_cap double precision := (SELECT p.implicit_score_cap FROM recommender.parameters AS p);
BEGIN
    DROP TABLE IF EXISTS pg_temp.training_own, pg_temp.training_matrix;
    -- What a student's own interactions with an event added to the implicit scores of its
    -- attributes: divided by the number of tags for a tag, full for category and city.
    CREATE TEMPORARY TABLE training_own AS
    SELECT
        i.user_id,
        i.event_id,
        sum(
            recommender.decayed_score(i.delta, i.occurred_at, v_as_of, v_half_life, 1e6)
            ORDER BY i.occurred_at, i.id
        ) / v_cap AS weight
    FROM (
        -- OFFSET 0: with a delta that is there already, decayed_score is inlined.
        SELECT
            d.user_id,
            d.event_id,
            d.occurred_at,
            d.id,
            recommender._learning_delta(d.interaction_type, d.meta, v_dwell_threshold) AS delta
        FROM recommender.source_interactions AS d
        WHERE
            p_leave_one_out
            AND d.interaction_type IN ('click', 'view', 'dwell', 'share', 'favorite', 'register')
            AND d.user_id IS NOT NULL AND d.event_id IS NOT NULL
        OFFSET 0  -- noqa: AM09
    ) AS i
    GROUP BY i.user_id, i.event_id;
    ANALYZE pg_temp.training_own;

    CREATE TEMPORARY TABLE training_matrix AS
    SELECT
        e.example_no,
        e.user_id,
        e.event_id,
        e.kind,
        e.label,
        e.weight,
        1.0::double precision AS bias,
        coalesce(m.overlap_interest_ratio, 0) AS overlap_interest_ratio,
        coalesce(m.overlap_history_ratio, 0) AS overlap_history_ratio,
        coalesce(m.same_city, 0) AS same_city,
        coalesce(m.category_match, 0) AS category_match,
        coalesce(m.organizer_match, 0) AS organizer_match,
        recommender.popularity(s.seats_taken - CASE WHEN p_leave_one_out THEN (
            SELECT count(*) FROM recommender.source_registrations AS r
            WHERE r.user_id = e.user_id AND r.event_id = e.event_id
        ) ELSE 0 END) AS popularity,
        recommender.days_until(v.start_time, v_as_of) AS days_until
    FROM pg_temp.training_examples AS e
    INNER JOIN recommender.source_events AS v ON v.event_id = e.event_id
    LEFT JOIN recommender.event_seats AS s ON s.event_id = e.event_id
    LEFT JOIN (
        SELECT
            x.example_no,
            sum(x.product ORDER BY x.attribute) FILTER (
                WHERE x.feature = 'overlap_interest_ratio'
            ) AS overlap_interest_ratio,
            sum(x.product ORDER BY x.attribute) FILTER (
                WHERE x.feature = 'overlap_history_ratio'
            ) AS overlap_history_ratio,
            max(x.product) FILTER (WHERE x.feature = 'same_city') AS same_city,
            max(x.product) FILTER (WHERE x.feature = 'category_match') AS category_match,
            max(x.product) FILTER (WHERE x.feature = 'organizer_match') AS organizer_match
        FROM (
            SELECT
                e.example_no,
                u.feature,
                u.attribute COLLATE "C" AS attribute,
                a.value * CASE
                    WHEN
                        u.is_stated
                        OR u.history_count
                        > (CASE WHEN p_leave_one_out AND e.kind = 'positive' THEN 1 ELSE 0 END)
                        -- A weak positive was chosen because of what was searched for.
                        OR (
                            u.is_searched
                            AND NOT (p_leave_one_out AND e.kind = 'weak_positive')
                        )
                        OR (
                            u.is_implicit_home
                            AND u.implicit_weight - coalesce(o.weight, 0)
                            >= greatest(u.rival_weight, 1e-12)
                        )
                        THEN 1
                    ELSE greatest(0, u.implicit_weight - coalesce(o.weight, 0) * a.value)
                END AS product
            FROM pg_temp.training_examples AS e
            INNER JOIN pg_temp.training_event_attributes AS a ON a.event_id = e.event_id
            INNER JOIN pg_temp.training_attributes AS u
                ON
                    u.user_id = e.user_id
                    AND u.feature = a.feature
                    AND u.attribute = a.attribute
            LEFT JOIN pg_temp.training_own AS o
                ON o.user_id = e.user_id AND o.event_id = e.event_id
        ) AS x
        GROUP BY x.example_no
    ) AS m ON m.example_no = e.example_no
    -- The fit reads them in this order, and so do the sums that judge it.
    ORDER BY e.example_no;
    CREATE UNIQUE INDEX ON pg_temp.training_matrix (example_no);
    ANALYZE pg_temp.training_matrix;
END;
$$;

COMMENT ON FUNCTION recommender._build_training_features(boolean) IS
'Builds pg_temp.training_matrix from the other training tables; with p_leave_one_out an example''s own event is taken out of history, seats and implicit scores. Tag sums are added in the order of the tag, so that the result does not depend on the order of rows.';
