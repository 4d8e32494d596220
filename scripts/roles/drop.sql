-- Drops those of the four roles that nothing in any database of the server depends on any more.

DO $$
DECLARE
    v_role record;
BEGIN
    FOR v_role IN
        SELECT r.rolname, u.databases
        FROM pg_catalog.pg_roles AS r
        CROSS JOIN LATERAL (
            SELECT string_agg(DISTINCT coalesce(d.datname, 'the server'), ', ') AS databases
            FROM pg_catalog.pg_shdepend AS s
            LEFT JOIN pg_catalog.pg_database AS d
                ON d.oid = CASE
                    WHEN s.classid = 'pg_catalog.pg_database'::regclass THEN s.objid ELSE s.dbid
                END
            WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = r.oid
        ) AS u
        WHERE r.rolname IN (
            'recommender_api', 'recommender_worker', 'recommender_admin', 'recommender_reader'
        )
        ORDER BY r.rolname
    LOOP
        IF v_role.databases IS NULL THEN
            EXECUTE format('DROP ROLE %I', v_role.rolname);
        ELSE
            RAISE NOTICE 'the role % stays: it still has rights in %',
                v_role.rolname, v_role.databases;
        END IF;
    END LOOP;
END
$$;
