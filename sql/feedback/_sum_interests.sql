-- What a batch adds to each category, or to each city.

CREATE OR REPLACE FUNCTION recommender._sum_interests(
    p_names text[], p_deltas double precision[], p_metas jsonb[], p_field text
)
RETURNS TABLE (name text, score double precision)
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        x.name,
        sum(x.delta) AS score
    FROM (
        SELECT
            d.name,
            d.delta
        FROM unnest(p_names, p_deltas) AS d (name, delta)
        UNION ALL
        SELECT
            n.name,
            0.2::double precision AS delta
        FROM (
            SELECT DISTINCT recommender.normalize_text(m.meta ->> p_field) AS name
            FROM unnest(p_metas) AS m (meta)
            WHERE jsonb_typeof(m.meta -> p_field) = 'string'
        ) AS n
    ) AS x
    -- What is longer is no name; it would not fit into the key.
    WHERE char_length(x.name) <= 100
    GROUP BY x.name;
END;

COMMENT ON FUNCTION recommender._sum_interests(text[], double precision[], jsonb[], text) IS
'The sum of the deltas by name, and 0.2 for each distinct name that the field of a meta holds as a string; names are normalised; NULL ones and those of more than 100 characters are left out.';
