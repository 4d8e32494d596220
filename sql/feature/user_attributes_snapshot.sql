-- user_attributes over the stored twin: what bulk scoring reads.

CREATE OR REPLACE VIEW recommender.user_attributes_snapshot AS
SELECT
    s.user_id,
    s.feature,
    s.attribute,
    max(
        recommender.attribute_weight(
            s.source,
            s.score,
            s.last_seen_at,
            (SELECT recommender.as_of()),
            (SELECT p.decay_half_life_hours FROM recommender.parameters AS p),
            (SELECT p.implicit_score_cap FROM recommender.parameters AS p)
        )
    ) AS weight
FROM recommender.user_attribute_sources_snapshot AS s
GROUP BY s.user_id, s.feature, s.attribute;

COMMENT ON VIEW recommender.user_attributes_snapshot IS
'user_attributes computed from the stored twin of its sources; decayed to recommender.as_of().';
