-- Which of a hundred buckets an account falls into; the same for ever and on every machine.

CREATE OR REPLACE FUNCTION recommender.experiment_bucket(p_experiment text, p_user_id integer)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT (
        ('x' || left(encode(sha256(convert_to(p_experiment || ':' || p_user_id, 'UTF8')), 'hex'), 8)
        )::bit(32)::bigint % 100
    )::integer;
END;

COMMENT ON FUNCTION recommender.experiment_bucket(text, integer) IS
'0 to 99: the first 8 hex digits of sha256("<experiment>:<user id>") modulo 100. An account is treated when its bucket is below the experiment''s percentage. NULL gives NULL.';
