-- Whether this session is a backtest, which must not see what the tables keep without its time:
-- that knows what happened after the moment the session stands at.

CREATE OR REPLACE FUNCTION recommender._is_backtest()
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(current_setting('recommender.is_backtest', true), '') = 'on';
END;

COMMENT ON FUNCTION recommender._is_backtest() IS
'True in a session that has recommender.is_backtest set to on: then there are no implicit interests, which are kept as they are now, and attendance counts only for events that have started. Never set it where lists are written or twins are refreshed.';
