-- Stores the interactions of a batch, all that is known about them given as arrays of one length.

CREATE OR REPLACE FUNCTION recommender._store_interactions(
    p_user_id integer,
    p_types text[],
    p_event_ids integer[],
    p_times timestamptz[],
    p_metas jsonb[],
    p_as_of timestamptz
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_oldest timestamptz := p_as_of - interval '7 days';
    v_newest timestamptz := p_as_of + interval '5 minutes';
BEGIN
    INSERT INTO public.event_interactions (
        user_id, event_id, interaction_type, occurred_at, meta
    )
    SELECT
        p_user_id,
        i.event_id,
        i.interaction_type,
        least(greatest(coalesce(i.occurred_at, p_as_of), v_oldest), v_newest),
        i.meta
    FROM unnest(p_types, p_event_ids, p_times, p_metas)
        AS i (interaction_type, event_id, occurred_at, meta);
END;
$$;

COMMENT ON FUNCTION recommender._store_interactions(
    integer, text[], integer[], timestamptz[], jsonb[], timestamptz
) IS
'Inserts one row of event_interactions for each place of the arrays, in their order. A time of NULL is p_as_of; times are clamped to 7 days before and 5 minutes after it.';
