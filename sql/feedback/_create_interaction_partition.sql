-- Makes one monthly partition; what the default one holds of that month moves there.

CREATE OR REPLACE FUNCTION recommender._create_interaction_partition(
    p_partition text, p_month date
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    -- Whatever style the session writes times in.
    v_from text := to_char(p_month::timestamp, 'YYYY-MM-DD') || ' 00:00:00+00';
    v_to text := to_char(p_month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00';
BEGIN
    EXECUTE format(
        'CREATE TABLE public.%I (
            LIKE public.event_interactions INCLUDING DEFAULTS INCLUDING CONSTRAINTS
        )',
        p_partition
    );
    EXECUTE format(
        'WITH moved AS (
            DELETE FROM public.event_interactions AS i
            WHERE i.occurred_at >= %L AND i.occurred_at < %L
            RETURNING i.*
        )
        INSERT INTO public.%I SELECT m.* FROM moved AS m',
        v_from, v_to, p_partition
    );
    EXECUTE format(
        'ALTER TABLE public.event_interactions
         ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', p_partition, v_from, v_to
    );
END;
$$;

COMMENT ON FUNCTION recommender._create_interaction_partition(text, date) IS
'Makes the partition of one month (UTC) under a name, with the rows the default partition holds of it.';
