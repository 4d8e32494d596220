-- Puts which events have an attribute into this session's temporary tables.
--
-- Attributes that the same events have with the same values (a tag as interest and as history; an
-- organizer and the tag that is its name) share a column: their weights are added up before any
-- event is read. So do extended ones that all their events have with one value, their scale.
--
-- pg_temp.scoring_postings: the heads of a column with value and base, in arrays that fit into a
-- page: as fast as an index-only scan, and without a VACUUM before it. Negative columns are the
-- heads by base, 50 at a time.
-- pg_temp.scoring_reasons: the attributes of an event that its reason may name.
-- pg_temp.scoring_speakers: with a model of the extended set, those that attendances may speak by.

CREATE OR REPLACE FUNCTION recommender._prepare_postings()
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
AS $$
BEGIN
    UPDATE pg_temp.scoring_attributes AS d SET
        column_no = c.column_no,
        scale = c.scale,
        raised_count = c.raised_count,
        lowered_count = c.lowered_count
    FROM (
        SELECT
            a.attribute_no,
            min(a.attribute_no) OVER (PARTITION BY a.event_ids, a.event_values) AS column_no,
            a.scale,
            a.raised_count,
            a.lowered_count
        FROM (
            SELECT
                p.attribute_no,
                p.scale,
                array_agg(p.event_id ORDER BY p.event_id) AS event_ids,
                array_agg(
                    CASE WHEN p.scale = 1 THEN p.value ELSE 1 END ORDER BY p.event_id
                ) AS event_values,
                count(*) FILTER (WHERE p.value > 0) AS raised_count,
                count(*) FILTER (WHERE p.value < 0) AS lowered_count
            FROM (
                SELECT
                    v.attribute_no,
                    v.event_id,
                    v.value,
                    CASE
                        WHEN
                            d.feature <> ALL (recommender.feature_names('base'))
                            AND min(v.value) OVER of_attribute = max(v.value) OVER of_attribute
                            AND v.value > 0
                            THEN v.value
                        ELSE 1
                    END AS scale
                FROM pg_temp.scoring_event_attributes AS v
                INNER JOIN pg_temp.scoring_events AS e ON e.event_id = v.event_id
                INNER JOIN pg_temp.scoring_attributes AS d ON d.attribute_no = v.attribute_no
                WINDOW of_attribute AS (PARTITION BY v.attribute_no)
            ) AS p
            GROUP BY p.attribute_no, p.scale
        ) AS a
    ) AS c
    WHERE c.attribute_no = d.attribute_no;
    CREATE UNIQUE INDEX ON pg_temp.scoring_attributes (attribute, feature);
    ANALYZE pg_temp.scoring_attributes;

    DROP TABLE IF EXISTS
    pg_temp.scoring_postings, pg_temp.scoring_reasons, pg_temp.scoring_speakers;
    CREATE TEMPORARY TABLE scoring_postings (
        column_no integer NOT NULL,
        event_ids integer[] NOT NULL,
        event_values double precision[] NOT NULL,
        bases double precision[] NOT NULL
    ) ON COMMIT PRESERVE ROWS;
    -- Neither compressed nor moved out of the row.
    ALTER TABLE pg_temp.scoring_postings
    ALTER COLUMN event_ids SET STORAGE PLAIN,
    ALTER COLUMN event_values SET STORAGE PLAIN,
    ALTER COLUMN bases SET STORAGE PLAIN;
    INSERT INTO pg_temp.scoring_postings (column_no, event_ids, event_values, bases)
    SELECT
        p.attribute_no,
        array_agg(p.event_id ORDER BY p.event_id),
        array_agg(p.value ORDER BY p.event_id),
        array_agg(p.base ORDER BY p.event_id)
    FROM (
        SELECT
            a.attribute_no,
            a.event_id,
            CASE WHEN d.scale = 1 THEN a.value ELSE 1 END AS value,
            e.base,
            (row_number() OVER (PARTITION BY a.attribute_no ORDER BY a.event_id) - 1)
            / 300 AS part_no
        FROM pg_temp.scoring_event_attributes AS a
        INNER JOIN pg_temp.scoring_events AS e ON e.event_id = a.event_id
        INNER JOIN pg_temp.scoring_attributes AS d
            ON d.attribute_no = a.attribute_no AND d.column_no = d.attribute_no
    ) AS p
    GROUP BY p.attribute_no, p.part_no
    ORDER BY p.attribute_no, p.part_no;
    INSERT INTO pg_temp.scoring_postings (column_no, event_ids, event_values, bases)
    SELECT
        -- Column -1 has the first 50 by base, -2 the next, and so on.
        -((e.base_rank + 49) / 50),
        array_agg(e.event_id ORDER BY e.base_rank),
        array_agg(0::double precision),
        array_agg(e.base ORDER BY e.base_rank)
    FROM pg_temp.scoring_events AS e
    GROUP BY 1
    ORDER BY 1 DESC;
    CREATE INDEX ON pg_temp.scoring_postings (column_no);

    CREATE TEMPORARY TABLE scoring_reasons ON COMMIT PRESERVE ROWS AS
    SELECT
        a.event_id,
        array_agg(a.attribute_no ORDER BY a.attribute_no) AS attribute_nos
    FROM pg_temp.scoring_event_attributes AS a
    INNER JOIN pg_temp.scoring_attributes AS d ON d.attribute_no = a.attribute_no
    WHERE d.feature IN ('overlap_interest_ratio', 'same_city')
    GROUP BY a.event_id;
    ANALYZE pg_temp.scoring_postings, pg_temp.scoring_reasons;

    CREATE TEMPORARY TABLE scoring_speakers ON COMMIT PRESERVE ROWS AS
    SELECT
        a.attribute_no,
        a.event_id,
        k.kind,
        d.feature <> 'organizer_match' AS is_told,
        d.weight * a.value AS logit,
        CASE WHEN k.kind IN ('organizer', 'co_attendance') THEN d.attribute::integer END
            AS named_id
    FROM pg_temp.scoring_event_attributes AS a
    INNER JOIN pg_temp.scoring_attributes AS d ON d.attribute_no = a.attribute_no
    INNER JOIN recommender.source_events AS e ON e.event_id = a.event_id
    CROSS JOIN LATERAL (
        SELECT recommender._reason_kind(d.feature, d.attribute, e.organizer_id) AS kind
    ) AS k
    WHERE
        k.kind IS NOT NULL
        -- Every model of the extended set has it.
        AND EXISTS (
            SELECT FROM pg_temp.scoring_attributes AS x WHERE x.feature = 'student_activity'
        );
    ANALYZE pg_temp.scoring_speakers;
END;
$$;

COMMENT ON FUNCTION recommender._prepare_postings() IS
'Builds this session''s temporary tables scoring_postings, scoring_reasons and scoring_speakers from those of recommender._prepare_events, and numbers the columns of scoring_attributes.';
