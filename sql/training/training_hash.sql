-- A number from 0 to p_count - 1 that looks random and is always the same for the same keys.

CREATE OR REPLACE FUNCTION recommender.training_hash(
    p_seed bigint, p_user_id integer, p_event_id integer, p_draw integer, p_count integer
)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- Two rounds: hashint8extended mixes one 64-bit key with a 64-bit seed.
    SELECT (
        (
            hashint8extended(
                (p_user_id::bigint << 32) + p_draw::bigint,
                hashint8extended(p_event_id::bigint, p_seed)
            ) & 9223372036854775807
        ) % p_count
    )::integer;
END;

COMMENT ON FUNCTION recommender.training_hash(bigint, integer, integer, integer, integer) IS
'A reproducible draw: the same seed, user, event and draw give the same number in 0 .. p_count - 1, whatever the order of rows. Division by zero when p_count is 0.';
