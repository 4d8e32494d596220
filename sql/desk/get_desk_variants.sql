-- GET /api/admin/personalization/variants: both sorts day by day, and what was changed meanwhile.
--
-- Planned for the days asked for: partitions of other months are not opened.

CREATE OR REPLACE FUNCTION recommender.get_desk_variants(p_user_id integer, p_days text)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
SET plan_cache_mode = 'force_custom_plan'
SET jit = 'off'
AS $$
DECLARE
    v_days integer := recommender._read_days(p_days, 14, 90);
    v_to timestamptz := recommender.as_of();
    v_from timestamptz;
    v_window_hours integer;
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, false) AS r;
    IF FOUND THEN
        RETURN;
    ELSIF v_days IS NULL THEN
        RETURN QUERY SELECT
            422, NULL::json,
            recommender._parameter_problem('days', 'a whole number from 1 to 90', p_days);
        RETURN;
    END IF;
    v_from := ((v_to AT TIME ZONE 'UTC')::date - v_days + 1)::timestamp AT TIME ZONE 'UTC';
    v_window_hours := (SELECT p.guardrails_window_hours FROM recommender.parameters AS p);
    RETURN QUERY
    WITH days AS MATERIALIZED (
        SELECT d.*
        FROM recommender._variant_days(v_from, v_to, v_window_hours) AS d
    ),

    rated_days AS (
        SELECT d.*, r.*
        FROM days AS d
        CROSS JOIN LATERAL recommender._variant_rates(d.impressions, d.clicks, d.conversions) AS r
    ),

    totals AS (
        SELECT
            d.variant,
            sum(d.impressions)::bigint AS impressions,
            sum(d.clicks)::bigint AS clicks,
            sum(d.conversions)::bigint AS conversions
        FROM days AS d
        GROUP BY d.variant
    ),

    rated_totals AS (
        SELECT t.*, r.*
        FROM totals AS t
        CROSS JOIN LATERAL recommender._variant_rates(t.impressions, t.clicks, t.conversions) AS r
    )

    SELECT
        200,
        NULL::json,
        json_build_object(
            'from', v_from,
            'to', v_to,
            'window_hours', v_window_hours,
            'days', (SELECT json_agg(d ORDER BY d.date, d.variant) FROM rated_days AS d),
            'totals', (SELECT json_agg(t ORDER BY t.variant) FROM rated_totals AS t),
            'activations', recommender._activations_between(v_from, v_to),
            'evaluations', recommender._evaluations_between(v_from, v_to)
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_desk_variants(integer, text) IS
'The answer of GET /api/admin/personalization/variants for an account (NULL: no token) and the days as they were given (NULL or empty: 14): 200 with from (the first day, from midnight UTC) and to (recommender.as_of()), days (recommender._variant_days with their rates) and totals (the same without date: what recommender.guardrail_metrics counts from from to to), and the activations and evaluations in between; else 401, 403, or 422 unless days is 1 to 90. Rates and intervals are null where there is nothing to divide by. One row.';
