-- Makes one monthly partition; what the default one holds of that month moves there.

CREATE OR REPLACE FUNCTION recommender._create_interaction_partition(
    p_partition text, p_month date
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_from timestamptz := p_month::timestamp AT TIME ZONE 'UTC';
    v_to timestamptz := (p_month + interval '1 month')::timestamp AT TIME ZONE 'UTC';
BEGIN
    EXECUTE format(
        'CREATE TABLE public.%I (LIKE public.event_interactions INCLUDING DEFAULTS)', p_partition
    );
    IF to_regclass('public.event_interactions_default') IS NOT NULL THEN
        EXECUTE format(
            'WITH moved AS (
                DELETE FROM public.event_interactions_default AS i
                WHERE i.occurred_at >= $1 AND i.occurred_at < $2
                RETURNING i.*
            )
            INSERT INTO public.%I SELECT m.* FROM moved AS m', p_partition
        ) USING v_from, v_to;
    END IF;
    EXECUTE format(
        'ALTER TABLE public.event_interactions
         ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', p_partition, v_from, v_to
    );
END;
$$;

COMMENT ON FUNCTION recommender._create_interaction_partition(text, date) IS
'Makes the partition of one month (UTC) under a name, with the rows the default partition holds of it.';
