-- When a cron expression came last.

CREATE OR REPLACE FUNCTION recommender.previous_occurrence(
    p_cron text, p_moment timestamptz DEFAULT recommender.as_of()
)
RETURNS timestamptz
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT recommender._find_occurrence(p_cron, p_moment, false);
END;

COMMENT ON FUNCTION recommender.previous_occurrence(text, timestamptz) IS
'The latest occurrence of a cron expression (five fields, UTC) not later than the moment; NULL for a moment that is NULL or infinite. Raises ER053 as recommender.next_occurrence does.';
