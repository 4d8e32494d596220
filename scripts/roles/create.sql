-- Creates the four roles, where they are not there yet: groups that nobody can log in as.
--
-- Roles belong to the whole server, not to a database: it takes a superuser or CREATEROLE, once.

DO $$
DECLARE
    v_role record;
BEGIN
    FOR v_role IN
        SELECT r.name, r.purpose
        FROM (
            VALUES
            ('recommender_api', 'eventrank: what python -m app needs'),
            ('recommender_worker', 'eventrank: what python -m app.worker needs'),
            ('recommender_admin', 'eventrank: who activates models, queues jobs and sets settings'),
            ('recommender_reader', 'eventrank: who looks and explains, and changes nothing')
        ) AS r (name, purpose)
        WHERE to_regrole(r.name) IS NULL
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', v_role.name);
            EXECUTE format('COMMENT ON ROLE %I IS %L', v_role.name, v_role.purpose);
        EXCEPTION WHEN duplicate_object THEN
            NULL;  -- somebody else did, meanwhile
        END;
    END LOOP;
END
$$;
