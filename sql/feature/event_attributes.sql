-- One row is one attribute of one event and its value: the event's half of every sparse feature.

CREATE OR REPLACE VIEW recommender.event_attributes AS
SELECT
    b.event_id,
    b.feature,
    b.attribute,
    b.value
FROM recommender.event_base_attributes AS b
UNION ALL
SELECT
    x.event_id,
    x.feature,
    x.attribute,
    x.value
FROM recommender.attendance_event_attributes AS x
WHERE (SELECT recommender._has_extended_features());

COMMENT ON VIEW recommender.event_attributes IS
'One row is one attribute of one event that is not deleted: (event_id, feature, attribute) is unique, none is NULL. The rows of event_base_attributes, and where extended features are asked for (recommender._has_extended_features) those of attendance_event_attributes; value is theirs. A new sparse feature is one more branch in one of these and in user_attribute_sources or attendance_attributes.';
