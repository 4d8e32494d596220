-- The reasons of a student's ranked events in the language asked for, from the data as it is now.

CREATE OR REPLACE FUNCTION recommender._render_reasons(
    p_ranked recommender.ranked_events[], p_templates recommender.reason_templates
)
RETURNS text[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_user_id integer := p_ranked[1].user_id;
    v_model public.recommender_models;
BEGIN
    SELECT m.* INTO v_model
    FROM public.recommendation_lists AS l
    INNER JOIN public.recommender_models AS m ON m.model_version = l.model_version
    WHERE l.user_id = v_user_id;
    RETURN ARRAY(
        WITH profile AS MATERIALIZED (
            SELECT
                ua.feature,
                ua.attribute,
                ua.weight
            FROM recommender.user_attributes AS ua
            WHERE
                ua.user_id = v_user_id
                AND ua.weight > 0
                AND ua.feature IN ('overlap_interest_ratio', 'same_city')
        ),

        interests AS (
            SELECT
                l.event_id,
                u.attribute,
                u.weight
            FROM recommender.source_tag_links AS l
            CROSS JOIN LATERAL (
                SELECT st.tag
                FROM recommender.source_tags AS st
                WHERE st.tag_id = l.tag_id
                OFFSET 0
            ) AS t
            INNER JOIN profile AS u
                ON u.attribute = t.tag AND u.feature = 'overlap_interest_ratio'
            WHERE l.event_id = ANY (ARRAY(SELECT r.event_id FROM unnest(p_ranked) AS r))
            -- Two tags of an event may be the same text.
            GROUP BY l.event_id, u.attribute, u.weight
        ),

        heaviest AS (
            SELECT
                i.event_id,
                (array_agg(i.attribute ORDER BY i.weight DESC, i.attribute COLLATE "C"))[1:3]
                    AS interests
            FROM interests AS i
            GROUP BY i.event_id
        )

        SELECT coalesce(a.reason, recommender.reason_text(
            p_templates,
            h.interests,
            EXISTS (
                SELECT FROM profile AS u
                WHERE u.feature = 'same_city' AND u.attribute = r.city AND u.weight >= 0.5
            )
        ))
        FROM unnest(p_ranked) WITH ORDINALITY AS r
        LEFT JOIN heaviest AS h ON h.event_id = r.event_id
        LEFT JOIN recommender._attendance_reasons(
            v_user_id, ARRAY(SELECT k.event_id FROM unnest(p_ranked) AS k),
            v_model, p_templates, true
        ) AS a ON a.event_id = r.event_id
        ORDER BY r.ordinality
    );
END;
$$;

COMMENT ON FUNCTION recommender._render_reasons(
    recommender.ranked_events[], recommender.reason_templates
) IS
'One reason for each of a student''s ranked events, in their order, by the rules of recommender._attendance_reasons for the list''s model, else of recommender.reason_text, from the student''s attributes at recommender.as_of(): what a rescore at this moment would write in that language.';
