-- Words the reasons of a batch that are not the generic one.
--
-- Nested loops are off: the tables of a batch have no statistics, and a plan made for a batch of
-- one student must do for two hundred.

CREATE OR REPLACE FUNCTION recommender._word_shared()
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET plan_cache_mode = 'force_generic_plan'
SET enable_nestloop = 'off'
SET jit = 'off'
AS $$
BEGIN
    INSERT INTO pg_temp.scoring_words (profile_id, rank, reason)
    WITH named AS MATERIALIZED (
        SELECT
            p.profile_id,
            d.attribute_no,
            d.attribute,
            d.feature = 'overlap_interest_ratio' AS is_interest,
            u.weight
        FROM pg_temp.scoring_profiles AS p
        CROSS JOIN unnest(p.attribute_nos, p.weights) AS u (attribute_no, weight)
        INNER JOIN pg_temp.scoring_attributes AS d ON d.attribute_no = u.attribute_no
        WHERE
            d.feature = 'overlap_interest_ratio'
            OR d.feature = 'same_city' AND u.weight >= 0.5
    ),

    mentionable AS (
        SELECT
            k.profile_id,
            k.rank,
            unnest(a.attribute_nos) AS attribute_no
        FROM pg_temp.scoring_ranks AS k
        INNER JOIN pg_temp.scoring_reasons AS a ON a.event_id = k.event_id
    ),

    matches AS (
        SELECT
            m.profile_id,
            m.rank,
            n.attribute,
            n.is_interest
        FROM mentionable AS m
        INNER JOIN named AS n
            ON n.profile_id = m.profile_id AND n.attribute_no = m.attribute_no
        ORDER BY m.profile_id, m.rank, n.weight DESC, n.attribute_no
    ),

    -- They come in the order in which a reason names them.
    reasons AS (
        SELECT
            m.profile_id,
            m.rank,
            (array_agg(m.attribute) FILTER (WHERE m.is_interest))[1:3] AS interests,
            bool_or(NOT m.is_interest) AS is_near
        FROM matches AS m
        GROUP BY m.profile_id, m.rank
    ),

    templates AS MATERIALIZED (
        SELECT
            l.language,
            recommender.templates_for(l.language) AS templates
        FROM (SELECT DISTINCT p.language FROM pg_temp.scoring_profiles AS p) AS l
    )

    SELECT
        w.profile_id,
        w.rank,
        recommender.reason_text(t.templates, w.interests, w.is_near)
    FROM reasons AS w
    INNER JOIN pg_temp.scoring_profiles AS p ON p.profile_id = w.profile_id
    INNER JOIN templates AS t ON t.language = p.language;
END;
$$;

COMMENT ON FUNCTION recommender._word_shared() IS
'Fills scoring_words: one row for each rank of scoring_ranks whose event shares an interest or the city with the profile, with the reason as recommender.reason_text says it in the profile''s language.';
