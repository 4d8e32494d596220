-- Words the reasons of a batch that attendances speak for, over those that are there.
--
-- Hash joins only: the tables of a batch have no statistics, and reading all speakers once is
-- cheaper than looking up those of two hundred students.

CREATE OR REPLACE FUNCTION recommender._word_attendances()
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET plan_cache_mode = 'force_generic_plan'
SET enable_nestloop = 'off'
SET enable_mergejoin = 'off'
SET jit = 'off'
SET client_min_messages = 'warning'
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_temp.scoring_speakers) THEN
        RETURN;
    END IF;
    DELETE FROM pg_temp.scoring_sentences;
    INSERT INTO pg_temp.scoring_sentences (profile_id, rank, reason)
    WITH matches AS MATERIALIZED (
        SELECT
            k.profile_id,
            k.rank,
            s.kind,
            s.is_told,
            s.named_id,
            u.weight * s.logit AS logit
        FROM pg_temp.scoring_profiles AS p
        CROSS JOIN unnest(p.attribute_nos, p.weights) AS u (attribute_no, weight)
        INNER JOIN pg_temp.scoring_speakers AS s ON s.attribute_no = u.attribute_no
        INNER JOIN pg_temp.scoring_ranks AS k
            ON k.profile_id = p.profile_id AND k.event_id = s.event_id
    ),

    speakers AS (
        SELECT
            m.profile_id,
            m.rank,
            m.kind,
            sum(m.logit) AS logit,
            bool_or(m.is_told) AS is_told,
            min(m.named_id) AS named_id
        FROM matches AS m
        GROUP BY m.profile_id, m.rank, m.kind
    ),

    loudest AS (
        SELECT DISTINCT ON (s.profile_id, s.rank)
            s.profile_id,
            s.rank,
            s.kind,
            s.logit,
            s.named_id
        FROM speakers AS s
        WHERE s.is_told
        ORDER BY s.profile_id, s.rank, recommender.sort_key(s.logit) DESC, s.kind
    ),

    -- Of the organizers of co_attendance, the one that adds most.
    chosen AS MATERIALIZED (
        SELECT DISTINCT ON (l.profile_id, l.rank)
            l.profile_id,
            l.rank,
            l.kind,
            coalesce(m.named_id, l.named_id) AS named_id
        FROM loudest AS l
        LEFT JOIN matches AS m
            ON m.profile_id = l.profile_id
            AND m.rank = l.rank
            AND m.kind = l.kind
            AND m.kind = 'co_attendance'
        WHERE l.kind <> 'interests' AND recommender.sort_key(l.logit) >= 5e8
        ORDER BY
            l.profile_id, l.rank, recommender.sort_key(m.logit) DESC, m.named_id::text COLLATE "C"
    ),

    templates AS MATERIALIZED (
        SELECT
            l.language,
            recommender.templates_for(l.language) AS templates
        FROM (SELECT DISTINCT p.language FROM pg_temp.scoring_profiles AS p) AS l
    ),

    names AS MATERIALIZED (
        SELECT
            u.user_id,
            recommender._organizer_name(u.org_name, u.full_name) AS name
        FROM recommender.source_users AS u
        WHERE u.user_id IN (SELECT c.named_id FROM chosen AS c)
    )

    SELECT
        c.profile_id,
        c.rank,
        recommender._attendance_sentence(t.templates, c.kind, n.name)
    FROM chosen AS c
    INNER JOIN pg_temp.scoring_profiles AS p ON p.profile_id = c.profile_id
    INNER JOIN templates AS t ON t.language = p.language
    LEFT JOIN names AS n ON n.user_id = c.named_id;

    DELETE FROM pg_temp.scoring_words AS w
    USING pg_temp.scoring_sentences AS s
    WHERE w.profile_id = s.profile_id AND w.rank = s.rank AND s.reason IS NOT NULL;
    INSERT INTO pg_temp.scoring_words (profile_id, rank, reason)
    SELECT s.profile_id, s.rank, s.reason
    FROM pg_temp.scoring_sentences AS s
    WHERE s.reason IS NOT NULL;
END;
$$;

COMMENT ON FUNCTION recommender._word_attendances() IS
'Puts into scoring_words, for a model of the extended set, the reasons that recommender._attendance_reasons would give the ranks of scoring_ranks; leaves the others as they are.';
