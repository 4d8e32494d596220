"""What ingest is measured against: one INSERT of a batch's rows."""

PLAIN_INSERT = """
    INSERT INTO public.event_interactions (
        user_id, event_id, interaction_type, occurred_at, meta
    )
    SELECT $1::integer, i.event_id, i.interaction_type, i.occurred_at, i.meta
    FROM jsonb_to_recordset(($2::jsonb) -> 'events') AS i (
        event_id integer,
        interaction_type text,
        occurred_at timestamptz,
        meta jsonb
    )
"""
