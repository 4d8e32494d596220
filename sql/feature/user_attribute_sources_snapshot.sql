-- The stored twin of user_attribute_sources, for bulk work. It holds what does not age: the raw
-- implicit score and when it was last seen; decay is computed when it is read.
--
-- It says what the view says, in a shape for everybody at once: tags and the attributes of events
-- are normalised once each and numbered, and repeats are dropped before there are texts. Student
-- and number are one bigint, since PostgreSQL sorts a single number several times as fast as two
-- columns; DISTINCT ON always sorts, whatever the planner thinks of the number of students.

CREATE MATERIALIZED VIEW IF NOT EXISTS recommender.user_attribute_sources_snapshot AS
WITH known_tags AS MATERIALIZED (
    SELECT
        t.tag_id,
        t.tag,
        dense_rank() OVER (ORDER BY t.tag) AS source_no
    FROM recommender.source_tags AS t
),

-- What an event in the history speaks for, numbered downwards.
done AS MATERIALIZED (
    SELECT
        a.event_id,
        a.feature,
        a.attribute,
        2147483648 - dense_rank() OVER (ORDER BY a.feature, a.attribute) AS source_no
    FROM recommender.event_base_attributes AS a
    WHERE a.feature IN ('overlap_history_ratio', 'category_match', 'organizer_match')
)

SELECT
    (k.user_and_source >> 32)::integer AS user_id,
    n.feature,
    n.attribute,
    n.source,
    NULL::double precision AS score,
    NULL::timestamptz AS last_seen_at
FROM (
    SELECT DISTINCT ON (user_and_source) (r.user_id::bigint << 32) + r.source_no AS user_and_source
    FROM (
        SELECT
            i.user_id,
            t.source_no
        FROM recommender.source_interest_tags AS i
        INNER JOIN known_tags AS t ON t.tag_id = i.tag_id
        UNION ALL
        SELECT
            h.user_id,
            d.source_no
        FROM recommender.history AS h
        INNER JOIN done AS d ON d.event_id = h.event_id
    ) AS r
    ORDER BY user_and_source
) AS k
INNER JOIN (
    SELECT DISTINCT ON (s.source_no)
        s.source_no,
        s.feature,
        s.attribute,
        s.source
    FROM (
        SELECT
            t.source_no,
            'overlap_interest_ratio' AS feature,
            t.tag AS attribute,
            'interest' AS source
        FROM known_tags AS t
        UNION ALL
        SELECT
            d.source_no,
            d.feature,
            d.attribute,
            'history' AS source
        FROM done AS d
    ) AS s
    ORDER BY s.source_no
) AS n ON n.source_no = k.user_and_source & 4294967295
UNION ALL
(
    SELECT DISTINCT
        i.user_id,
        'overlap_interest_ratio' AS feature,
        t.tag AS attribute,
        'implicit' AS source,
        i.score,
        i.last_seen_at
    FROM recommender.source_implicit_tags AS i
    INNER JOIN known_tags AS t ON t.tag_id = i.tag_id
    ORDER BY i.user_id
)
UNION ALL
(
    SELECT DISTINCT
        x.user_id,
        x.feature,
        x.attribute,
        x.source,
        x.score,
        x.last_seen_at
    FROM recommender.user_text_sources AS x
    ORDER BY x.user_id
)
UNION ALL
(
    SELECT
        v.user_id,
        v.feature,
        v.attribute,
        'attendance' AS source,
        v.weight AS score,
        NULL AS last_seen_at
    FROM recommender.attendance_attributes AS v
    WHERE (SELECT recommender._has_extended_features())
    ORDER BY v.user_id
);

-- One student's attributes, side by side in the table.
CREATE INDEX IF NOT EXISTS user_attribute_sources_snapshot_user_idx
ON recommender.user_attribute_sources_snapshot (user_id);

COMMENT ON MATERIALIZED VIEW recommender.user_attribute_sources_snapshot IS
'user_attribute_sources without repeats, as of recommender.snapshot_moment; refreshed by recommender.refresh_features().';
