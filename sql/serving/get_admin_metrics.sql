-- GET /api/admin/personalization/metrics: the days, and all of them together.

CREATE OR REPLACE FUNCTION recommender.get_admin_metrics(p_user_id integer, p_days text)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_days integer := recommender._read_days(p_days, 30, 365);
BEGIN
    RETURN QUERY SELECT r.* FROM recommender._refuse_admin(p_user_id, false) AS r;
    IF FOUND THEN
        RETURN;
    ELSIF v_days IS NULL THEN
        RETURN QUERY SELECT
            422, NULL::json,
            recommender._parameter_problem('days', 'a whole number from 1 to 365', p_days);
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        200,
        NULL::json,
        json_build_object(
            'items', coalesce(json_agg(m ORDER BY m.date), '[]'),
            'totals', json_build_object(
                'impressions', coalesce(sum(m.impressions), 0),
                'clicks', coalesce(sum(m.clicks), 0),
                'registrations', coalesce(sum(m.registrations), 0),
                'ctr', coalesce(
                    sum(m.clicks)::double precision / nullif(sum(m.impressions), 0), 0
                ),
                'registration_conversion', coalesce(
                    sum(m.registrations)::double precision / nullif(sum(m.clicks), 0), 0
                )
            )
        )
    FROM recommender.metrics(v_days) AS m;
END;
$$;

COMMENT ON FUNCTION recommender.get_admin_metrics(integer, text) IS
'The answer of GET /api/admin/personalization/metrics for an account (NULL: no token) and the days as they were given (NULL or blank: 30): 200 with items, the rows of recommender.metrics, and totals; else 401, 403, or 422 unless days is 1 to 365. One row.';
