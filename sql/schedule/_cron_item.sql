-- The numbers that one item of a cron expression's field stands for: *, a number or a range.

CREATE OR REPLACE FUNCTION recommender._cron_item(
    p_item text, p_low integer, p_high integer, p_names text[]
)
RETURNS integer[]
LANGUAGE plpgsql
IMMUTABLE
AS $$
DECLARE
    v_parts text[] := regexp_match(
        p_item,
        '^(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?$'
    );
    v_from integer := p_low;
    v_to integer := p_high;
    v_step integer := coalesce(v_parts[4]::integer, 1);
BEGIN
    IF v_parts[1] IS NULL THEN
        v_from := recommender._cron_number(v_parts[2], p_names, p_low);
        v_to := recommender._cron_number(coalesce(v_parts[3], v_parts[2]), p_names, p_low);
    END IF;
    IF
        v_from >= p_low
        AND v_to BETWEEN v_from AND p_high
        AND v_step > 0
        -- A step needs something to step through.
        AND (v_parts[4] IS NULL OR v_parts[1] IS NOT NULL OR v_parts[3] IS NOT NULL)
    THEN
        RETURN ARRAY(SELECT n.n FROM generate_series(v_from, v_to, v_step) AS n (n));
    END IF;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION recommender._cron_item(text, integer, integer, text[]) IS
'The numbers from p_low to p_high that an item stands for: *, a number, a name (the first of p_names is p_low) or a range of two of them, * and ranges with a step if need be (*/2). NULL for anything else.';
