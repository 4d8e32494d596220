-- One row is one event a list may be chosen from, and its base.
--
-- Full events are still among them. The popularity is the twin's where that is fresh and has the
-- event; it misses the registrations of the last minutes, which decide nothing: who is full is
-- asked of the live seats, for the events that come out on top.
--
-- A string body is inlined as well, and unlike BEGIN ATOMIC it does not pin the materialized view.

CREATE OR REPLACE FUNCTION recommender._candidate_events(
    p_as_of timestamptz,
    p_as_of_epoch double precision,
    p_is_fresh boolean,
    p_bias_weight double precision,
    p_popularity_weight double precision,
    p_days_until_weight double precision
)
RETURNS TABLE (event_id integer, base double precision, is_live boolean)
LANGUAGE sql
STABLE
AS $$
    SELECT
        e.event_id,
        p_bias_weight
        + p_popularity_weight * coalesce(t.value, recommender.popularity((
            SELECT count(*)
            FROM recommender.source_registrations AS r
            WHERE r.event_id = e.event_id
        )))
        + p_days_until_weight * recommender._days_until_epoch(
            date_part('epoch', e.start_time), p_as_of_epoch
        ) AS base,
        t.event_id IS NULL AS is_live
    FROM recommender.source_events AS e
    LEFT JOIN recommender.upcoming_attributes_snapshot AS t
        ON t.event_id = e.event_id AND t.attribute = '' AND t.feature = 'popularity' AND p_is_fresh
    WHERE e.is_published AND e.is_known AND e.start_time >= p_as_of
$$;

COMMENT ON FUNCTION recommender._candidate_events(
    timestamptz, double precision, boolean, double precision, double precision, double precision
) IS
'The events that are published, known, not started and not deleted, with their base logits (recommender.base_logit); is_live says whose attributes the twin does not have (everybody''s unless p_is_fresh). p_as_of_epoch is p_as_of in seconds since 1970.';
