-- Whether this session counts implicit interests: a backtest does not, because the tables keep only
-- their present, which knows what happened after the moment it stands at.

CREATE OR REPLACE FUNCTION recommender._counts_implicit()
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(current_setting('recommender.without_implicit', true), '') <> 'on';
END;

COMMENT ON FUNCTION recommender._counts_implicit() IS
'False in a session that has recommender.without_implicit set to on, and then the source views have no implicit interests. Never set it where lists are written or twins are refreshed.';
