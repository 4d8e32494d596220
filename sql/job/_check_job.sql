-- Refuses a job that could not be run, before it is queued.

CREATE OR REPLACE FUNCTION recommender._check_job(p_job_type text, p_payload jsonb)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_fault text;
BEGIN
    IF NOT EXISTS (SELECT FROM recommender.job_types AS t WHERE t.job_type = p_job_type) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER041',
            MESSAGE = format('there is no job type %s', coalesce('"' || p_job_type || '"', 'NULL')),
            HINT = 'SELECT job_type FROM recommender.job_types lists them';
    END IF;
    IF jsonb_typeof(p_payload) <> 'object' THEN
        v_fault := format('expected an object, not %s', left(p_payload::text, 40));
    ELSE
        SELECT format('%s is %s, expected %s', k.key, left(k.value::text, 40), k.expected) INTO v_fault
        FROM (
            SELECT
                e.key,
                e.value,
                recommender._expected_argument(p_job_type, e.key, e.value) AS expected
            FROM jsonb_each(p_payload) AS e
        ) AS k
        WHERE k.expected IS NOT NULL
        ORDER BY k.key
        LIMIT 1;
        IF p_job_type = 'refresh_user_recommendations_ml' AND NOT p_payload ? 'user_id' THEN
            v_fault := 'user_id is missing';
        END IF;
    END IF;
    IF v_fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ER042',
            MESSAGE = format('the payload of %s is wrong: %s', p_job_type, v_fault),
            HINT = 'what a job takes: docs/jobs.md';
    END IF;
END;
$$;

COMMENT ON FUNCTION recommender._check_job(text, jsonb) IS
'Raises ER041 for a job type that is not in recommender.job_types, ER042 for a payload that is no object, has a key the type does not take, or a value out of bounds.';
