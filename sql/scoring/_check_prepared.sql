-- Refuses to score with the temporary tables of another run, or without any.

CREATE OR REPLACE FUNCTION recommender._check_prepared(p_run_id bigint)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF nullif(current_setting('recommender.prepared_run', true), '')
        IS DISTINCT FROM p_run_id::text
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER056',
            MESSAGE = format('run %s is not prepared in this session', p_run_id),
            HINT = format(
                'first SELECT recommender.prepare_run(%s), until it returns a number', p_run_id
            );
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._check_prepared(bigint) IS
'Raises ER056 when the last recommender.prepare_run of this session was of another run, or there was none.';
