-- What an attribute of a student is called.

CREATE OR REPLACE FUNCTION recommender._attribute_name(p_feature text, p_attribute text)
RETURNS text
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT coalesce(
        CASE
            WHEN p_feature IN ('overlap_interest_ratio', 'overlap_history_ratio') THEN (
                SELECT min(btrim(t.name) COLLATE "C")
                FROM recommender.source_tags AS t
                WHERE t.tag = p_attribute
            )
            WHEN
                p_feature IN (
                    'organizer_match', 'series_share', 'new_series_share',
                    'attended_organizer_age', 'co_attendance'
                )
                AND p_attribute ~ '^[0-9]{1,9}( |$)'
                THEN (
                    SELECT concat_ws(
                        ': ',
                        recommender._organizer_name(u.org_name, u.full_name),
                        nullif(substr(p_attribute, strpos(p_attribute || ' ', ' ') + 1), '')
                    )
                    FROM recommender.source_users AS u
                    WHERE u.user_id = split_part(p_attribute, ' ', 1)::integer
                )
        END,
        p_attribute
    );
END;

COMMENT ON FUNCTION recommender._attribute_name(text, text) IS
'A tag as it was written, an organizer''s name, of a series followed by its letters; else the attribute itself.';
