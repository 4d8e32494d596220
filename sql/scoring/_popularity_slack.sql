-- By how much a run may take the popularity of an event otherwise than the lists do, in logits.
--
-- Every registration changes a popularity, and would have everybody rescored. 0.05 is a twentieth
-- of what training gives a whole feature, and below what a score shows in two digits (0.0125). What
-- lists know of an event stays until it counts as changed: so no two lists are apart by more than
-- twice this.

CREATE OR REPLACE FUNCTION recommender._popularity_slack(p_run public.recommendation_runs)
RETURNS double precision
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN (p_run).as_of = (
            SELECT r.as_of
            FROM public.recommendation_runs AS r
            WHERE r.is_full
            ORDER BY r.id DESC
            LIMIT 1
        ) THEN 0
        ELSE 0.05
    END;
END;

COMMENT ON FUNCTION recommender._popularity_slack(public.recommendation_runs) IS
'The change of weight times popularity, in logits, from which on an event has changed for a run: 0 at the moment of the last run of all students, where nothing may differ, else 0.05.';
