-- The features of a named set, in order.

CREATE OR REPLACE FUNCTION recommender.feature_names(p_set text DEFAULT 'base')
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    v_base CONSTANT text[] := ARRAY[
        'bias',
        'overlap_interest_ratio',
        'overlap_history_ratio',
        'same_city',
        'category_match',
        'organizer_match',
        'popularity',
        'days_until'
    ];
BEGIN
    IF p_set = 'base' THEN
        RETURN v_base;
    ELSIF p_set = 'extended' THEN
        -- Without those two lists were better (docs/concepts.md).
        RETURN array_remove(array_remove(v_base, 'days_until'), 'category_match') || ARRAY[
            'series_share',
            'new_series_share',
            'attended_organizer_age',
            'co_attendance',
            'category_affinity',
            'category_rarity',
            'title_words',
            'newcomer_appeal',
            'organizer_event_count',
            'organizer_audience',
            'organizer_age',
            'series_is_new',
            'series_audience',
            'student_activity',
            'category_activity',
            'attended_organizer_audience'
        ];
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'ER003',
        MESSAGE = format('there is no feature set %s', coalesce('"' || p_set || '"', 'NULL')),
        HINT = 'give base or extended';
END;
$$;

COMMENT ON FUNCTION recommender.feature_names(text) IS
'The features of a set in the order of recommender_models.weights: base, the eight columns of user_event_features, or extended, the columns of extended_user_event_features. Raises ER003 for another set.';
