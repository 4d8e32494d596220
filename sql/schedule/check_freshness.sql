-- What is out of date, stuck or failed, in words: the schedule's freshness check.

CREATE OR REPLACE FUNCTION recommender.check_freshness()
RETURNS jsonb
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'warnings', coalesce(jsonb_agg(w.warning ORDER BY w.place, w.warning), '[]')
    )
    FROM recommender._freshness_warnings AS w;
END;

COMMENT ON FUNCTION recommender.check_freshness() IS
'{"warnings": […]}: a sentence for each of: no model is active, or it is older than 3 days; there are students and none has a fresh list; the events'' twin is not there or older than 30 minutes; the queue is off; a job has been due for more than 15 minutes; jobs have failed; entries of the schedule have failed. At recommender.as_of(); jobs are of the clock. Empty when all is well.';
