-- Adds counts to those a progress has.

CREATE OR REPLACE FUNCTION recommender._add_retention_counts(p_progress jsonb, p_counts jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT p_progress || coalesce(
        jsonb_object_agg(
            c.key, coalesce((p_progress ->> c.key)::bigint, 0) + c.value::bigint
        ),
        '{}'
    )
    FROM jsonb_each_text(p_counts) AS c;
END;

COMMENT ON FUNCTION recommender._add_retention_counts(jsonb, jsonb) IS
'The progress with each of p_counts added to its number under the same key, 0 if there is none yet.';
