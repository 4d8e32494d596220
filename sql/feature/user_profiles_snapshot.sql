-- Which students are alike, and whether a student has changed: hashes of what lists depend on.

CREATE MATERIALIZED VIEW IF NOT EXISTS recommender.user_profiles_snapshot AS
SELECT
    h.user_id,
    bit_xor(h.hash) AS fingerprint,
    coalesce(bit_xor(h.hash) FILTER (WHERE NOT h.is_read_live), 0) AS twin_fingerprint,
    bit_xor(h.hash) FILTER (WHERE h.is_live) AS likeness
FROM recommender._profile_hashes AS h
GROUP BY h.user_id
ORDER BY h.user_id;

-- A student's hashes.
CREATE UNIQUE INDEX IF NOT EXISTS user_profiles_snapshot_key
ON recommender.user_profiles_snapshot (user_id);

COMMENT ON MATERIALIZED VIEW recommender.user_profiles_snapshot IS
'One row is one user with attributes, registrations or the role of a student. fingerprint: a hash of attributes, registrations and language, equal as long as none changes; twin_fingerprint: of the attributes alone; likeness: the same of what upcoming events have, equal for students whose lists are equal. As of recommender.snapshot_moment; refreshed by recommender.refresh_features().';
