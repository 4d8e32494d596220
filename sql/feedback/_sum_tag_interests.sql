-- What a batch adds to each tag that the student does not hide.

CREATE OR REPLACE FUNCTION recommender._sum_tag_interests(
    p_user_id integer, p_event_ids integer[], p_deltas double precision[], p_metas jsonb[]
)
RETURNS TABLE (tag_id integer, score double precision)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_sought_tags text[];
    v_hidden_tags text[] := ARRAY(
        SELECT g.tag
        FROM recommender.source_hidden_tags AS h
        INNER JOIN recommender.source_tags AS g ON g.tag_id = h.tag_id
        WHERE h.user_id = p_user_id
    );
BEGIN
    SELECT array_agg(DISTINCT t.tag) INTO v_sought_tags
    FROM (
        SELECT recommender.normalize_text(a.item #>> '{}') AS tag
        FROM unnest(p_metas) AS m (meta)
        CROSS JOIN LATERAL jsonb_array_elements(
            CASE WHEN jsonb_typeof(m.meta -> 'tags') = 'array' THEN m.meta -> 'tags' END
        ) AS a (item)
        WHERE jsonb_typeof(a.item) = 'string'
    ) AS t
    WHERE t.tag IS NOT NULL;
    RETURN QUERY
    SELECT
        x.tag_id,
        sum(x.delta)
    FROM (
        SELECT
            et.tag,
            min(et.tag_id) AS tag_id,
            min(d.delta) / count(*) OVER (PARTITION BY d.event_id) AS delta
        FROM unnest(p_event_ids, p_deltas) AS d (event_id, delta)
        INNER JOIN recommender.source_event_tags AS et ON et.event_id = d.event_id
        GROUP BY d.event_id, et.tag
        UNION ALL
        SELECT
            g.tag,
            min(g.tag_id) AS tag_id,
            0.2::double precision AS delta
        FROM recommender._tags_spelled(v_sought_tags) AS g
        GROUP BY g.tag
    ) AS x
    WHERE x.tag <> ALL (v_hidden_tags)
    GROUP BY x.tag_id;
END;
$$;

COMMENT ON FUNCTION recommender._sum_tag_interests(
    integer, integer[], double precision[], jsonb[]
) IS
'The sum by tag of the events'' deltas, each divided by the number of the event''s distinct tags, and 0.2 for each distinct tag that the metas name. Hidden tags are left out, but count in the divisor.';
