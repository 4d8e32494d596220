-- A number from 0 to p_count - 1 that looks random and is always the same for the same keys.

CREATE OR REPLACE FUNCTION recommender.training_hash(
    p_seed bigint, p_user_id integer, p_event_id integer, p_draw integer, p_count integer
)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- One round a key: hashint8extended would only XOR the halves of two keys in one bigint, and
    -- student 4's draw 1 would be student 7's draw 2.
    SELECT (
        (
            hashint4extended(
                p_draw, hashint4extended(p_user_id, hashint4extended(p_event_id, p_seed))
            ) & 9223372036854775807
        ) % p_count
    )::integer;
END;

COMMENT ON FUNCTION recommender.training_hash(bigint, integer, integer, integer, integer) IS
'A reproducible draw: the same seed, user, event and draw give the same number in 0 .. p_count - 1, whatever the order of rows. Division by zero when p_count is 0.';
