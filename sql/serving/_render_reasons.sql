-- The reasons of a student's events in the language asked for, from the data as it is now.

CREATE OR REPLACE FUNCTION recommender._render_reasons(
    p_user_id integer, p_event_ids integer[], p_templates recommender.reason_templates
)
RETURNS text[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
BEGIN
    RETURN (
        WITH matches AS (
            SELECT
                ea.event_id,
                ea.feature,
                ua.attribute,
                ua.weight
            FROM recommender.user_attributes AS ua
            INNER JOIN recommender.event_attributes AS ea
                ON ea.feature = ua.feature AND ea.attribute = ua.attribute
            WHERE
                ua.user_id = p_user_id
                AND ua.weight > 0
                AND ua.feature IN ('overlap_interest_ratio', 'same_city')
                AND ea.feature IN ('overlap_interest_ratio', 'same_city')
                AND ea.event_id = ANY (p_event_ids)
        ),

        facts AS (
            SELECT
                m.event_id,
                (array_agg(m.attribute ORDER BY m.weight DESC, m.attribute COLLATE "C")
                    FILTER (WHERE m.feature = 'overlap_interest_ratio')
                )[1:3] AS interests,
                bool_or(m.feature = 'same_city' AND m.weight >= 0.5) AS is_near
            FROM matches AS m
            GROUP BY m.event_id
        )

        SELECT array_agg(
            recommender.reason_text(p_templates, f.interests, f.is_near) ORDER BY e.place
        )
        FROM unnest(p_event_ids) WITH ORDINALITY AS e (event_id, place)
        LEFT JOIN facts AS f ON f.event_id = e.event_id
    );
END;
$$;

COMMENT ON FUNCTION recommender._render_reasons(
    integer, integer[], recommender.reason_templates
) IS
'One reason for each of the events, in their order, by the rule of recommender.reason_text from the student''s attributes at recommender.as_of(). NULL for no events.';
