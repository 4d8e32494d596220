-- One row is one eligible event and what lists depend on of it.
--
-- The attributes are the twin's, as they are scored; the rest is of this moment.

CREATE OR REPLACE VIEW recommender._event_states AS
SELECT
    e.event_id,
    e.start_time,
    e.seats_taken,
    coalesce(h.attributes_hash, 0) AS attributes_hash
FROM recommender.eligible_events AS e
LEFT JOIN (
    SELECT
        a.event_id,
        -- The rows of an event do not repeat: so hashes may be combined by XOR, in any order.
        bit_xor(hashfloat8extended(
            a.value, hashtextextended(a.attribute, hashtextextended(a.feature, 0))
        )) AS attributes_hash
    FROM recommender.event_attributes_snapshot AS a
    GROUP BY a.event_id
) AS h ON h.event_id = e.event_id;

COMMENT ON VIEW recommender._event_states IS
'One row is one event of eligible_events with start_time, seats_taken and a hash of its rows in event_attributes_snapshot (0: it has none).';
