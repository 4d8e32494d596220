-- GET /readyz: whether this database can be served from, and if not, why.

CREATE OR REPLACE FUNCTION recommender.get_readiness(
    p_newest_migration text, p_logic_hash text
)
RETURNS TABLE (status integer, headers json, body json)
LANGUAGE plpgsql
STABLE
ROWS 1
AS $$
DECLARE
    v_model_version text := (
        SELECT m.model_version FROM public.recommender_models AS m WHERE m.is_active
    );
    v_trouble text := CASE
        WHEN NOT EXISTS (
            SELECT FROM public.eventrank_migrations AS m WHERE m.name = p_newest_migration
        ) THEN 'the migration ' || p_newest_migration || ' is missing: run scripts/migrate.py'
        WHEN right(obj_description('recommender'::regnamespace, 'pg_namespace'), 64)
            IS DISTINCT FROM p_logic_hash
            THEN 'the functions of the database are of another version: run scripts/migrate.py'
        WHEN pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean
            THEN 'the database is read-only'
        ELSE coalesce((
            SELECT format(
                'setting %s is "%s" (%s), which is not valid: correct or delete its row in'
                ' recommender_settings', s.name, s.value, s.source
            )
            FROM recommender.settings AS s
            WHERE NOT s.is_valid
            ORDER BY s.name
            LIMIT 1
        ), recommender._telemetry_trouble())
    END;
BEGIN
    IF v_trouble IS NOT NULL THEN
        RETURN QUERY SELECT
            503,
            json_build_object('Retry-After', '1'),
            recommender._problem(503, 'Service Unavailable', v_trouble);
        RETURN;
    END IF;
    RETURN QUERY SELECT
        200,
        NULL::json,
        json_build_object(
            'status', 'ready',
            'database', 'reachable',
            'migrations', 'current',
            'active_model_version', v_model_version,
            'reason', CASE
                WHEN v_model_version IS NULL
                    THEN 'no model is active: who has no fresh list is shown events by tags and popularity'
            END
        );
END;
$$;

COMMENT ON FUNCTION recommender.get_readiness(text, text) IS
'The answer of GET /readyz for an application whose last migration and whose sql/ (sha256) these are: 200 with the active model (NULL: none, and reason says what serves instead), or 503 when the database is behind, of another version, read-only, has a setting that is not valid, or an event_interactions that does not take telemetry. One row.';
