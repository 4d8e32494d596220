-- The day a moment is on: what is counted over all events is counted up to its beginning.

CREATE OR REPLACE FUNCTION recommender.as_of_day()
RETURNS timestamptz
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT date_trunc('day', recommender.as_of(), 'UTC');
END;

COMMENT ON FUNCTION recommender.as_of_day() IS
'The beginning of recommender.as_of()''s day in UTC. Extended features count what had happened by then, so that they hold still for a day, and a rescore of what changed finds little.';
