-- Takes back what grants.sql gave in this database; everybody may call functions again.

DO $$
DECLARE
    v_statement text;
BEGIN
    FOR v_statement IN
        WITH roles AS (
            SELECT r.oid AS role_id, r.rolname AS role
            FROM pg_catalog.pg_roles AS r
            WHERE r.rolname IN (
                'recommender_api', 'recommender_worker', 'recommender_admin', 'recommender_reader'
            )
        ),

        -- Whatever they were given here, by us or since.
        acls (target, grantee_id) AS (
            SELECT format('SCHEMA %s', n.oid::regnamespace), a.grantee
            FROM pg_catalog.pg_namespace AS n
            CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
            UNION
            SELECT format('ROUTINE %s', p.oid::regprocedure), a.grantee
            FROM pg_catalog.pg_proc AS p
            CROSS JOIN LATERAL aclexplode(p.proacl) AS a
            UNION
            SELECT
                format(
                    '%s %s',
                    CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                    c.oid::regclass
                ),
                a.grantee
            FROM pg_catalog.pg_class AS c
            CROSS JOIN LATERAL aclexplode(c.relacl) AS a
            UNION
            SELECT format('DATABASE %I', d.datname), a.grantee
            FROM pg_catalog.pg_database AS d
            CROSS JOIN LATERAL aclexplode(d.datacl) AS a
            WHERE d.datname = current_database()
        )

        SELECT format('REVOKE ALL ON %s FROM %I', a.target, r.role)
        FROM acls AS a
        INNER JOIN roles AS r ON r.role_id = a.grantee_id
        UNION ALL
        SELECT format('GRANT EXECUTE ON ROUTINE %s TO PUBLIC', p.oid::regprocedure)
        FROM pg_catalog.pg_proc AS p
        WHERE
            p.pronamespace = to_regnamespace('recommender')
            AND NOT p.prosecdef
            AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
    LOOP
        EXECUTE v_statement;
    END LOOP;
END
$$;
