-- One row is one number of one student that is a feature by itself.

CREATE OR REPLACE VIEW recommender.user_numbers AS
SELECT
    a.user_id,
    a.feature,
    a.weight AS value
FROM recommender.user_attributes AS a
WHERE a.attribute = '' AND recommender.feature_kind(a.feature) = 'student';

COMMENT ON VIEW recommender.user_numbers IS
'One row is one feature of one user which is the user''s alone (recommender.feature_kind student) and its value, which is not 0, at recommender.as_of(): it moves the logits of all the student''s events alike. None unless extended features are asked for.';
