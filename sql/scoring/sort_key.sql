-- What lists are sorted by, descending; ties go to the smaller event_id.

CREATE OR REPLACE FUNCTION recommender.sort_key(p_logit double precision)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- Adding the same terms in another order changes the last bits and would flip exact ties.
    SELECT round(p_logit * 1e9);
END;

COMMENT ON FUNCTION recommender.sort_key(double precision) IS
'round(logit * 1e9): the order of every list is sort_key descending, then event_id ascending, in the definition, the fast paths, reasons and explain alike.';
