-- Gives the four roles in this database what they need, and takes from them what they do not.
--
-- Takes the owner of the schema recommender (or a superuser), and create.sql before it. Run it
-- again at any time: it changes only what differs. migrate.py does so whenever it re-applies
-- sql/ to a database whose roles are installed; who installs by psql alone runs it after
-- sql/install.sql.
--
-- What is granted follows from two lists. `tables` is what a role may do with each table. `doors`
-- names what a role calls: a folder of sql/ with all that is public in it, or an object. What those
-- call in turn is found in their definitions: functions run with the caller's rights, those that a
-- view calls, too, so each of them takes EXECUTE; what only a view reads takes nothing, since views
-- read with their owner's rights. A function that is SECURITY DEFINER calls as its owner.

DO $$
DECLARE
    v_search_path text := current_setting('search_path');
    v_statement text;
BEGIN
    IF to_regclass('recommender.installed_objects') IS NULL THEN
        RAISE EXCEPTION 'the schema recommender is not installed in this database'
        USING HINT = 'run scripts/migrate.py first, or psql -f sql/install.sql';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname = 'recommender' AND pg_has_role(n.nspowner, 'USAGE')
    ) THEN
        -- PostgreSQL would only warn, and grant nothing.
        RAISE EXCEPTION '% may not grant: it does not own the schema recommender', current_user
        USING ERRCODE = 'insufficient_privilege',
            HINT = 'run it as the role that runs migrate.py, or as a superuser';
    END IF;
    -- So that definitions are written with every name qualified.
    PERFORM set_config('search_path', 'pg_catalog', true);

    FOR v_statement IN
        WITH RECURSIVE roles AS (
            SELECT r.oid AS role_id, r.rolname AS role
            FROM pg_catalog.pg_roles AS r
            WHERE r.rolname IN (
                'recommender_api', 'recommender_worker', 'recommender_admin', 'recommender_reader'
            )
        ),

        -- r SELECT, a INSERT, w UPDATE, d DELETE, as psql's \dp has them.
        tables (name, api, worker, admin, reader) AS (
            VALUES
            -- The app's: nothing. Its tables are read through recommender.source_*, and written
            -- where a student hides a tag or blocks an organizer.
            ('recommender.source_hidden_tags', 'ad', '', '', ''),
            ('recommender.source_blocked_organizers', 'ad', '', '', ''),
            -- Telemetry.
            ('public.event_interactions', 'a', '', '', ''),
            ('public.interaction_receipts', 'ra', '', '', ''),
            ('public.analytics_rate_limits', 'raw', '', '', ''),
            ('public.user_implicit_interest_tags', 'raw', '', '', ''),
            ('public.user_implicit_interest_categories', 'raw', '', '', ''),
            ('public.user_implicit_interest_cities', 'raw', '', '', ''),
            -- Models and lists.
            ('public.recommender_models', 'rw', 'raw', 'rw', 'r'),
            ('public.model_activations', 'ra', 'ra', 'ra', 'r'),
            ('public.recommendation_lists', 'r', 'rawd', 'r', 'r'),
            ('public.user_recommendations', 'r', 'rawd', 'r', 'r'),
            ('public.recommendation_runs', '', 'raw', 'r', 'r'),
            ('public.recommendation_run_events', '', 'rawd', 'r', 'r'),
            ('public.recommendation_reasons', 'r', 'r', 'rawd', 'r'),
            ('public.recommender_snapshot', 'r', 'raw', 'raw', 'r'),
            -- What runs by itself.
            ('public.background_jobs', 'raw', 'raw', 'raw', 'r'),
            ('public.guardrail_evaluations', 'r', 'ra', 'ra', 'r'),
            ('public.recommender_schedule', 'r', 'r', 'rawd', 'r'),
            ('public.schedule_runs', 'r', 'rawd', 'rawd', 'r'),
            -- Settings are stored by whoever starts with them in its environment.
            ('public.recommender_settings', 'raw', 'raw', 'rawd', 'r'),
            ('public.eventrank_migrations', 'r', 'r', 'r', 'r')
        ),

        doors (role, folder, name) AS (
            VALUES
            ('recommender_api', 'setting', NULL),
            ('recommender_api', 'serving', NULL),
            ('recommender_api', 'desk', NULL),
            ('recommender_api', 'feedback', 'record_interactions'),
            ('recommender_api', 'scoring', 'activate_model'),
            ('recommender_api', 'job', 'enqueue_job'),
            ('recommender_worker', 'setting', NULL),
            ('recommender_worker', 'job', NULL),
            ('recommender_worker', 'scoring', NULL),
            ('recommender_worker', 'training', NULL),
            ('recommender_worker', 'guardrail', NULL),
            ('recommender_worker', 'schedule', 'run_schedule'),
            ('recommender_worker', 'schedule', 'check_freshness'),
            ('recommender_worker', 'schedule', 'install_cron'),
            ('recommender_worker', 'feedback', 'apply_retention'),
            ('recommender_worker', 'feedback', 'create_interaction_partitions'),
            ('recommender_worker', 'feature', 'refresh_features'),
            ('recommender_worker', 'feature', 'refresh_upcoming_events'),
            ('recommender_worker', 'stamp.sql', 'installed_objects'),
            -- What the schedule's commands call.
            ('recommender_worker', 'schedule', '_enqueue_scheduled'),
            ('recommender_admin', 'schedule', '_enqueue_scheduled'),
            ('recommender_admin', 'setting', NULL),
            ('recommender_admin', 'admin', NULL),
            ('recommender_admin', 'guardrail', NULL),
            ('recommender_admin', 'schedule', 'run_schedule'),
            ('recommender_admin', 'schedule', 'set_schedule'),
            ('recommender_admin', 'schedule', 'check_freshness'),
            ('recommender_admin', 'schedule', 'next_occurrence'),
            ('recommender_admin', 'schedule', 'previous_occurrence'),
            ('recommender_admin', 'views', NULL),
            ('recommender_admin', 'feature', 'refresh_features'),
            ('recommender_admin', 'feature', 'refresh_upcoming_events'),
            ('recommender_admin', 'feedback', 'create_interaction_partitions'),
            ('recommender_admin', 'scoring', 'activate_model'),
            ('recommender_admin', 'scoring', 'rank_events'),
            ('recommender_admin', 'job', 'enqueue_job'),
            ('recommender_admin', 'job', 'retry_job'),
            ('recommender_admin', 'job', 'requeue_stale_jobs'),
            ('recommender_reader', 'setting', NULL),
            ('recommender_reader', 'admin', 'readers'),
            ('recommender_reader', 'views', NULL),
            ('recommender_reader', 'scoring', 'rank_events')
        ),

        objects AS (
            SELECT DISTINCT
                o.name,
                split_part(o.file, '/', 2) AS folder,
                'routine' AS kind,
                p.oid,
                p.provolatile <> 'v' AS is_reader,
                NOT p.prosecdef AS is_open,
                p.prosecdef AS is_definer,
                coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS definition
            FROM recommender.installed_objects AS o
            INNER JOIN pg_catalog.pg_proc AS p
                ON p.proname = o.name AND p.pronamespace = to_regnamespace('recommender')
            WHERE o.kind IN ('function', 'procedure')
            UNION ALL
            SELECT
                o.name,
                split_part(o.file, '/', 2),
                'view',
                c.oid,
                true,
                c.relkind = 'v',
                false,
                pg_get_viewdef(c.oid)
            FROM recommender.installed_objects AS o
            INNER JOIN pg_catalog.pg_class AS c
                ON c.relname = o.name AND c.relnamespace = to_regnamespace('recommender')
            WHERE o.kind IN ('view', 'materialized view')
        ),

        calls AS (
            SELECT DISTINCT o.oid AS caller_id, m.found[1] AS callee
            FROM objects AS o
            CROSS JOIN LATERAL
                regexp_matches(
                    -- Without texts and comments: what a hint recommends is nothing that is called.
                    regexp_replace(o.definition, '''([^'']|'''')*''|--[^\n]*', '', 'g'),
                    '\mrecommender\.(\w+)', 'g'
                ) AS m (found)
            WHERE o.is_open
        ),

        -- is_direct: the role itself uses it; not so what a view reads in its owner's name.
        reached (role, oid, is_direct) AS (
            SELECT d.role, o.oid, true
            FROM doors AS d
            INNER JOIN objects AS o
                ON (
                    CASE d.folder WHEN 'views' THEN o.kind = 'view' ELSE o.folder = d.folder END
                )
                AND (
                    o.name = d.name
                    OR (d.name IS NULL AND (left(o.name, 1) <> '_' OR o.kind = 'view'))
                    OR (d.name = 'readers' AND o.is_reader AND left(o.name, 1) <> '_')
                )
            UNION
            SELECT r.role, o.oid, o.kind = 'routine' OR c.kind = 'routine'
            FROM reached AS r
            INNER JOIN objects AS c ON c.oid = r.oid
            INNER JOIN calls AS m ON m.caller_id = r.oid
            INNER JOIN objects AS o ON o.name = m.callee
        ),

        wanted (role, class, oid, privilege) AS (
            SELECT r.role, 'SCHEMA', to_regnamespace('recommender')::oid, 'USAGE'
            FROM roles AS r
            UNION
            SELECT
                r.role,
                CASE o.kind WHEN 'routine' THEN 'ROUTINE' ELSE 'TABLE' END,
                o.oid,
                CASE o.kind WHEN 'routine' THEN 'EXECUTE' ELSE 'SELECT' END
            FROM reached AS r
            INNER JOIN objects AS o ON o.oid = r.oid
            WHERE r.is_direct
            UNION
            SELECT 'recommender_' || g.role, 'TABLE', to_regclass(t.name)::oid, p.privilege
            FROM tables AS t
            CROSS JOIN LATERAL (
                VALUES
                ('api', t.api), ('worker', t.worker), ('admin', t.admin), ('reader', t.reader)
            ) AS g (role, letters)
            INNER JOIN (
                VALUES ('r', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE'), ('d', 'DELETE')
            ) AS p (letter, privilege) ON strpos(g.letters, p.letter) > 0
            WHERE to_regclass(t.name) IS NOT NULL
            UNION
            -- A table of the app's own may number its rows by a serial.
            SELECT 'recommender_api', 'SEQUENCE', q.oid, 'USAGE'
            FROM pg_catalog.pg_depend AS d
            INNER JOIN pg_catalog.pg_class AS q ON q.oid = d.objid AND q.relkind = 'S'
            WHERE d.deptype = 'a' AND d.refobjid = to_regclass('public.event_interactions')
        ),

        acls (class, oid, grantee_id, privilege) AS (
            SELECT 'SCHEMA', n.oid, a.grantee, a.privilege_type
            FROM pg_catalog.pg_namespace AS n
            CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
            WHERE n.nspname = 'recommender'
            UNION ALL
            SELECT 'ROUTINE', p.oid, a.grantee, a.privilege_type
            FROM pg_catalog.pg_proc AS p
            CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
            WHERE p.oid IN (SELECT o.oid FROM objects AS o)
            UNION ALL
            SELECT
                CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                c.oid,
                a.grantee,
                a.privilege_type
            FROM pg_catalog.pg_class AS c
            CROSS JOIN LATERAL aclexplode(c.relacl) AS a
            WHERE
                c.oid IN (SELECT o.oid FROM objects AS o)
                OR c.oid IN (SELECT to_regclass(t.name) FROM tables AS t)
                OR c.oid IN (SELECT w.oid FROM wanted AS w WHERE w.class = 'SEQUENCE')
        ),

        changes (is_grant, class, oid, privilege, role) AS (
            SELECT true, w.class, w.oid, w.privilege, quote_ident(w.role)
            FROM wanted AS w
            INNER JOIN roles AS r ON r.role = w.role
            WHERE NOT EXISTS (
                SELECT FROM acls AS a
                WHERE
                    a.class = w.class
                    AND a.oid = w.oid
                    AND a.grantee_id = r.role_id
                    AND a.privilege = w.privilege
            )
            UNION ALL
            SELECT false, a.class, a.oid, a.privilege, quote_ident(r.role)
            FROM acls AS a
            INNER JOIN roles AS r ON r.role_id = a.grantee_id
            WHERE (r.role, a.class, a.oid, a.privilege) NOT IN (
                SELECT w.role, w.class, w.oid, w.privilege FROM wanted AS w
            )
            UNION ALL
            -- PostgreSQL lets everybody call a function until somebody says otherwise.
            SELECT false, a.class, a.oid, a.privilege, 'PUBLIC'
            FROM acls AS a
            WHERE a.class = 'ROUTINE' AND a.grantee_id = 0
        )

        SELECT
            format(
                CASE
                    WHEN c.is_grant THEN 'GRANT %s ON %s %s TO %s'
                    ELSE 'REVOKE %s ON %s %s FROM %s'
                END,
                c.privilege,
                c.class,
                CASE c.class
                    WHEN 'SCHEMA' THEN c.oid::regnamespace::text
                    WHEN 'ROUTINE' THEN c.oid::regprocedure::text
                    ELSE c.oid::regclass::text
                END,
                c.role
            )
        FROM changes AS c
        ORDER BY c.class, c.oid, c.role, c.privilege
    LOOP
        EXECUTE v_statement;
    END LOOP;

    -- Temporary tables hold what is scored and trained on.
    IF to_regrole('recommender_worker') IS NOT NULL AND EXISTS (
        SELECT FROM pg_catalog.pg_database AS d
        WHERE
            d.datname = current_database()
            AND pg_has_role(d.datdba, 'USAGE')
            AND NOT has_database_privilege('recommender_worker', d.oid, 'TEMPORARY')
    ) THEN
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO recommender_worker', current_database());
    END IF;
    PERFORM set_config('search_path', v_search_path, true);
END
$$;
