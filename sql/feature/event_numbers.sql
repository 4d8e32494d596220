-- One row is one number of one event that is a feature by itself.

CREATE OR REPLACE VIEW recommender.event_numbers AS
SELECT
    f.event_id,
    x.feature,
    x.value
FROM recommender.event_features AS f
CROSS JOIN LATERAL (
    VALUES ('bias', f.bias), ('popularity', f.popularity), ('days_until', f.days_until)
) AS x (feature, value)
UNION ALL
SELECT
    a.event_id,
    a.feature,
    a.value
FROM recommender.event_attributes AS a
WHERE a.attribute = '' AND recommender.feature_kind(a.feature) = 'event';

COMMENT ON VIEW recommender.event_numbers IS
'One row is one feature of one event that is not deleted which is the event''s alone (recommender.feature_kind event) and its value, at recommender.as_of(): bias, popularity and days_until of every event, and those of the extended set that are not 0 for events to come, where that is asked for.';
