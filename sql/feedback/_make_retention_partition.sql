-- The step of retention that makes a partition of this month or one of the next three.

CREATE OR REPLACE FUNCTION recommender._make_retention_partition(p_progress jsonb)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_today date := ((p_progress ->> 'as_of')::timestamptz AT TIME ZONE 'UTC')::date;
    v_month date;
    v_next_month date;
    v_waiting bigint;
BEGIN
    SELECT m.month_start INTO v_month
    FROM recommender._months_without_partition(
        v_today, (v_today + interval '3 months')::date
    ) AS m (month_start)
    WHERE m.month_start > coalesce((p_progress ->> 'passed_month')::date, '-infinity')
    ORDER BY m.month_start
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN p_progress - 'passed_month' || '{"stage": "interactions"}';
    END IF;
    v_next_month := v_month + interval '1 month';
    EXECUTE
        'SELECT count(*)
        FROM (
            SELECT FROM public.event_interactions AS i
            WHERE i.occurred_at >= $1 AND i.occurred_at < $2
            LIMIT 100001
        ) AS w'
    INTO v_waiting
    USING
        v_month::timestamp AT TIME ZONE 'UTC', v_next_month::timestamp AT TIME ZONE 'UTC';
    -- Writers wait while rows move: about a second for so many. The months after this one are made
    -- ahead of their rows, so this is for the first run of a database that had none for long.
    IF v_waiting > 100000 THEN
        RETURN recommender._skip_in_retention(
            p_progress, to_char(v_month::timestamp, 'YYYY-MM'),
            'too many rows to move while others wait; create_interaction_partitions moves them'
        ) || jsonb_build_object('passed_month', v_month);
    END IF;
    -- All of them need the same lock.
    IF (p_progress ->> 'tries')::integer >= 5 THEN
        RETURN recommender._skip_in_retention(
            p_progress, 'partitions from ' || to_char(v_month::timestamp, 'YYYY-MM') || ' on', 'busy'
        ) || '{"stage": "interactions"}';
    END IF;
    RETURN recommender._add_retention_counts(
        p_progress || jsonb_build_object('passed_month', v_month),
        jsonb_build_object(
            'partitions_made', recommender.create_interaction_partitions(v_month, v_month)
        )
    );
END;
$$;

COMMENT ON FUNCTION recommender._make_retention_partition(jsonb) IS
'Makes the first missing partition from the month of as_of to three months later, or passes on to the next stage. After five tries it leaves them for the next run. A month of which the default partition holds more than 100,000 rows is left there.';
