-- Puts the eligible events of a run, their bases and their attributes into temporary tables.
--
-- pg_temp.scoring_event_attributes: their attributes, numbered in the order of the text. A number
-- is cheaper to join on than two texts, and sorting by it is sorting by name.
-- pg_temp.scoring_members: one row an event. Events with the same attributes and values are one
-- class; its head, the best of them by base, is scored for all (members are in the list with their
-- own base). A base so near the head's that rounding could put it before is a class of its own.
-- pg_temp.scoring_events: one row a class, best base first.

CREATE OR REPLACE FUNCTION recommender._prepare_events(
    p_model public.recommender_models, p_as_of timestamptz
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
AS $$
DECLARE
    v_bias_weight double precision := recommender.model_weight(p_model, 'bias');
    v_popularity_weight double precision := recommender.model_weight(p_model, 'popularity');
    v_days_until_weight double precision := recommender.model_weight(p_model, 'days_until');
    v_event_count integer;
    v_attribute_count integer;
BEGIN
    DROP TABLE IF EXISTS
    pg_temp.scoring_bases, pg_temp.scoring_attributes, pg_temp.scoring_event_attributes,
    pg_temp.scoring_members, pg_temp.scoring_events;

    CREATE TEMPORARY TABLE scoring_bases ON COMMIT DROP AS
    SELECT
        e.event_id,
        recommender.base_logit(
            v_bias_weight, v_popularity_weight, v_days_until_weight,
            e.seats_taken, e.start_time, p_as_of
        ) + coalesce(n.logit, 0) AS base
    FROM recommender.eligible_events AS e
    LEFT JOIN recommender._event_number_logits(p_model) AS n ON n.event_id = e.event_id
    -- Published or brought back since the twins were built, it would be scored without its
    -- attributes: it waits for the next run. Some events have none.
    WHERE
        e.event_id IN (SELECT a.event_id FROM recommender.event_attributes_snapshot AS a)
        OR e.event_id NOT IN (SELECT a.event_id FROM recommender.event_base_attributes AS a);
    GET DIAGNOSTICS v_event_count = ROW_COUNT;
    ANALYZE pg_temp.scoring_bases;

    CREATE TEMPORARY TABLE scoring_attributes ON COMMIT PRESERVE ROWS AS
    SELECT
        row_number() OVER (ORDER BY a.attribute COLLATE "C", a.feature)::integer AS attribute_no,
        a.feature,
        a.attribute,
        recommender.model_weight(p_model, a.feature) AS weight,
        NULL::integer AS column_no,
        1::double precision AS scale,
        0 AS raised_count,
        0 AS lowered_count
    FROM recommender.event_attributes_snapshot AS a
    INNER JOIN pg_temp.scoring_bases AS e ON e.event_id = a.event_id
    WHERE
        a.feature = ANY (p_model.feature_names)
        -- Those are in the bases.
        AND a.feature <> ALL (recommender._number_features(p_model))
    GROUP BY a.feature, a.attribute;
    GET DIAGNOSTICS v_attribute_count = ROW_COUNT;
    -- A student's own numbers are a column without postings.
    INSERT INTO pg_temp.scoring_attributes (
        attribute_no, feature, attribute, weight, column_no, scale, raised_count, lowered_count
    )
    SELECT
        v_attribute_count + f.feature_no, f.feature, '', f.weight, 0, 1, 0, 0
    FROM unnest(p_model.feature_names, p_model.weights)
        WITH ORDINALITY AS f (feature, weight, feature_no)
    WHERE recommender.feature_kind(f.feature) = 'student';
    ANALYZE pg_temp.scoring_attributes;

    CREATE TEMPORARY TABLE scoring_event_attributes ON COMMIT PRESERVE ROWS AS
    SELECT
        a.event_id,
        d.attribute_no,
        a.value
    FROM recommender.event_attributes_snapshot AS a
    INNER JOIN pg_temp.scoring_bases AS e ON e.event_id = a.event_id
    INNER JOIN pg_temp.scoring_attributes AS d
        ON d.attribute = a.attribute AND d.feature = a.feature;
    ANALYZE pg_temp.scoring_event_attributes;

    CREATE TEMPORARY TABLE scoring_members ON COMMIT PRESERVE ROWS AS
    SELECT
        m.event_id,
        m.base,
        CASE WHEN m.is_near_head THEN m.event_id ELSE m.head_id END AS head_id
    FROM (
        SELECT
            e.event_id,
            e.base,
            first_value(e.event_id) OVER same AS head_id,
            -- Apart by more than any list is rounded to, unless it is the very same.
            first_value(e.base) OVER same - e.base BETWEEN 1e-300 AND 1e-6 AS is_near_head
        FROM pg_temp.scoring_bases AS e
        LEFT JOIN (
            SELECT
                a.event_id,
                array_agg(a.attribute_no ORDER BY a.attribute_no) AS attribute_nos,
                array_agg(a.value ORDER BY a.attribute_no) AS event_values
            FROM pg_temp.scoring_event_attributes AS a
            GROUP BY a.event_id
        ) AS s ON s.event_id = e.event_id
        WINDOW same AS (
            PARTITION BY s.attribute_nos, s.event_values ORDER BY e.base DESC, e.event_id
        )
    ) AS m;
    CREATE UNIQUE INDEX ON pg_temp.scoring_members (head_id, event_id) INCLUDE (base);
    ANALYZE pg_temp.scoring_members;

    CREATE TEMPORARY TABLE scoring_events ON COMMIT PRESERVE ROWS AS
    SELECT
        row_number() OVER (
            ORDER BY recommender.sort_key(m.base) DESC, m.event_id
        )::integer AS base_rank,
        m.event_id,
        m.base
    FROM pg_temp.scoring_members AS m
    WHERE m.event_id = m.head_id
    ORDER BY base_rank;
    ANALYZE pg_temp.scoring_events;
    RETURN v_event_count;
END;
$$;

COMMENT ON FUNCTION recommender._prepare_events(public.recommender_models, timestamptz) IS
'Builds this session''s temporary tables scoring_events, scoring_members, scoring_attributes and scoring_event_attributes for recommender.as_of(), which p_as_of repeats, from event_attributes_snapshot and a model''s weights. Returns the number of eligible events.';
