-- Whether the event side may be read from its twin for a moment.
--
-- The moment has to be the twin's or shortly after it, or events would have been published since
-- that it does not know. The twin has to have been built shortly ago, because edits of events are
-- not versioned: before a moment that stands still they would stay hidden for ever. Ten minutes are
-- two turns of the scheduled refresh. And a twin older than the model may be of other data, loaded
-- and trained on since; the run that follows a training builds it anew anyway.

CREATE OR REPLACE FUNCTION recommender._has_fresh_twins(
    p_as_of timestamptz, p_model public.recommender_models
)
RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM recommender.snapshot_moment AS m
        WHERE
            p_as_of >= m.as_of
            AND p_as_of <= m.as_of + interval '10 minutes'
            AND m.refreshed_at >= now() - interval '10 minutes'
            AND m.refreshed_at >= p_model.created_at
    );
END;
$$;

COMMENT ON FUNCTION recommender._has_fresh_twins(timestamptz, public.recommender_models) IS
'Whether there are twins for that moment or at most 10 minutes before it, built within the last 10 minutes and not before the model was stored.';
