-- Puts the attributes of the events of a run into this session's temporary tables.
--
-- pg_temp.scoring_attributes: what eligible events have, numbered in order of the text. A number
-- is cheaper to join on than two texts, and sorting by it is sorting by name.
-- pg_temp.scoring_postings: which events have an attribute, with weight times value and the base,
-- so that one index-only scan gives a student's sums.
-- pg_temp.scoring_reasons: the attributes of an event that its reason may name.

CREATE OR REPLACE FUNCTION recommender._prepare_postings(p_model public.recommender_models)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
AS $$
BEGIN
    DROP TABLE IF EXISTS
    pg_temp.scoring_attributes, pg_temp.scoring_postings, pg_temp.scoring_reasons;
    CREATE TEMPORARY TABLE scoring_attributes ON COMMIT PRESERVE ROWS AS
    SELECT
        row_number() OVER (ORDER BY a.attribute COLLATE "C", a.feature)::integer AS attribute_no,
        a.feature,
        a.attribute,
        recommender.model_weight(p_model, a.feature) AS weight,
        -- Events that may fall below their base for a student who has the attribute.
        count(*) FILTER (
            WHERE a.value * recommender.model_weight(p_model, a.feature) < 0
        )::integer AS lowered_count
    FROM recommender.event_attributes_snapshot AS a
    INNER JOIN pg_temp.scoring_events AS e ON e.event_id = a.event_id
    GROUP BY a.feature, a.attribute;
    CREATE UNIQUE INDEX ON pg_temp.scoring_attributes (attribute, feature);

    CREATE TEMPORARY TABLE scoring_postings ON COMMIT PRESERVE ROWS AS
    SELECT
        d.attribute_no,
        a.event_id,
        d.weight * a.value AS contribution,
        e.base
    FROM recommender.event_attributes_snapshot AS a
    INNER JOIN pg_temp.scoring_events AS e ON e.event_id = a.event_id
    INNER JOIN pg_temp.scoring_attributes AS d
        ON d.feature = a.feature AND d.attribute = a.attribute
    ORDER BY d.attribute_no, a.event_id;
    CREATE INDEX ON pg_temp.scoring_postings (attribute_no)
    INCLUDE (event_id, contribution, base);

    CREATE TEMPORARY TABLE scoring_reasons ON COMMIT PRESERVE ROWS AS
    SELECT
        p.event_id,
        p.attribute_no
    FROM pg_temp.scoring_postings AS p
    INNER JOIN pg_temp.scoring_attributes AS d ON d.attribute_no = p.attribute_no
    WHERE d.feature IN ('overlap_interest_ratio', 'same_city')
    ORDER BY p.event_id, p.attribute_no;
    CREATE INDEX ON pg_temp.scoring_reasons (event_id) INCLUDE (attribute_no);
    ANALYZE pg_temp.scoring_attributes, pg_temp.scoring_postings, pg_temp.scoring_reasons;
END;
$$;

COMMENT ON FUNCTION recommender._prepare_postings(public.recommender_models) IS
'Builds this session''s temporary tables scoring_attributes, scoring_postings and scoring_reasons from scoring_events, event_attributes_snapshot and a model''s weights.';
