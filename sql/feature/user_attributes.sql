-- One row is one attribute of one user and its weight: the user's half of every sparse feature.

CREATE OR REPLACE VIEW recommender.user_attributes AS
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
FROM recommender.user_attribute_sources AS s
GROUP BY s.user_id, s.feature, s.attribute;

COMMENT ON VIEW recommender.user_attributes IS
'One row is one attribute of one user at recommender.as_of(): (user_id, feature, attribute) is unique, none is NULL. weight is 1 for what was chosen, done, lived in or looked for, else the decayed implicit score over the cap, between 0 and 1; in extended features that of attendance_attributes.';
