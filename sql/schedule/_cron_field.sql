-- The numbers that one field of a cron expression stands for, in order.

CREATE OR REPLACE FUNCTION recommender._cron_field(p_name text, p_text text)
RETURNS integer[]
LANGUAGE plpgsql
IMMUTABLE
AS $$
DECLARE
    v_low integer := CASE WHEN p_name IN ('day of the month', 'month') THEN 1 ELSE 0 END;
    v_high integer := CASE p_name
        WHEN 'minute' THEN 59
        WHEN 'hour' THEN 23
        WHEN 'day of the month' THEN 31
        WHEN 'month' THEN 12
        WHEN 'day of the week' THEN 7
    END;
    v_names text[] := CASE p_name
        WHEN 'month' THEN '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}'::text[]
        WHEN 'day of the week' THEN '{sun,mon,tue,wed,thu,fri,sat}'
    END;
    v_item text;
    v_item_numbers integer[];
    v_numbers integer[] := '{}';
    v_fault text;
BEGIN
    -- The C collation lowers ASCII alone, in every database alike.
    FOREACH v_item IN ARRAY string_to_array(lower(p_text COLLATE "C"), ',') LOOP
        v_item_numbers := recommender._cron_item(v_item, v_low, v_high, v_names);
        IF v_item_numbers IS NULL THEN
            v_fault := format(
                'the %s is "%s", expected numbers from %s to %s%s, ranges (2-4) or *, the latter two'
                ' with a step if need be (*/2), and commas between several',
                p_name, p_text, v_low, v_high,
                ' or names (' || v_names[1] || ' to ' || v_names[cardinality(v_names)] || ')'
            );
            PERFORM recommender._refuse_cron(v_fault);
        END IF;
        v_numbers := v_numbers || v_item_numbers;
    END LOOP;
    RETURN ARRAY(
        SELECT DISTINCT CASE WHEN p_name = 'day of the week' THEN n.n % 7 ELSE n.n END AS n
        FROM unnest(v_numbers) AS n (n)
        ORDER BY n
    );
END;
$$;

COMMENT ON FUNCTION recommender._cron_field(text, text) IS
'The numbers a field of a cron expression stands for, each once, the least first; Sunday is 0, also where it was given as 7. Raises ER053, naming the field (minute, hour, day of the month, month, day of the week) and what it takes.';
