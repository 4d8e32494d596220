-- When a cron expression comes next.

CREATE OR REPLACE FUNCTION recommender.next_occurrence(
    p_cron text, p_moment timestamptz DEFAULT recommender.as_of()
)
RETURNS timestamptz
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT recommender._find_occurrence(p_cron, p_moment, true);
END;

COMMENT ON FUNCTION recommender.next_occurrence(text, timestamptz) IS
'The earliest occurrence of a cron expression (five fields, UTC) later than the moment; NULL for a moment that is NULL or infinite. Fields take *, numbers, names (jan, mon), ranges, steps and lists; Sunday is 0 or 7. Where neither the day of the month nor the day of the week begins with *, a day needs to match one of them. Raises ER053 for an expression that is not valid, or would never come.';
