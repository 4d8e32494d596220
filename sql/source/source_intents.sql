-- One row is one search or filter of a student; only JSON strings count as what was looked for.

CREATE OR REPLACE VIEW recommender.source_intents AS
SELECT
    i.id,
    i.user_id,
    i.occurred_at,
    CASE WHEN jsonb_typeof(i.meta -> 'category') = 'string'
        THEN recommender.normalize_text(i.meta ->> 'category')
    END AS category,
    CASE WHEN jsonb_typeof(i.meta -> 'city') = 'string'
        THEN recommender.normalize_text(i.meta ->> 'city')
    END AS city,
    CASE WHEN jsonb_typeof(i.meta -> 'tags') = 'array' THEN i.meta -> 'tags' END AS tags
FROM recommender.source_interactions AS i
WHERE
    i.interaction_type IN ('search', 'filter')
    AND i.event_id IS NULL
    AND i.user_id IS NOT NULL;

COMMENT ON VIEW recommender.source_intents IS
'One row is one search or filter without an event: normalised category and city (NULL unless the meta holds a non-blank JSON string) and the JSON array of tags (NULL unless it is an array; its strings are not normalised yet).';
