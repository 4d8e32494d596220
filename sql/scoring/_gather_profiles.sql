-- Finds what the students of a batch have of the attributes of eligible events.
--
-- Students with the same attributes and weights, the same registrations and the same language have
-- the same list: it is ranked and worded once. profile_id is the first student's user_id.
--
-- To the columns of its attributes a profile gets those of the first events by base, with weight 0:
-- as many events as the list is long, and one more for each that may not be shown (registered) or
-- may fall below its base (shares an attribute of negative weight). So p_top_n of them stay at or
-- above their base, and beat every event that is not among them and shares nothing: exact for any
-- weights.

CREATE OR REPLACE FUNCTION recommender._gather_profiles(
    p_user_ids integer[], p_as_of timestamptz, p_top_n integer
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET plan_cache_mode = 'force_generic_plan'
AS $$
DECLARE
    v_half_life_hours double precision := (
        SELECT p.decay_half_life_hours FROM recommender.parameters AS p
    );
    v_cap double precision := (SELECT p.implicit_score_cap FROM recommender.parameters AS p);
BEGIN
    -- Empty already, unless another batch was of this transaction.
    DELETE FROM pg_temp.scoring_students;
    DELETE FROM pg_temp.scoring_profiles;
    DELETE FROM pg_temp.scoring_ranks;
    DELETE FROM pg_temp.scoring_words;
    INSERT INTO pg_temp.scoring_students (
        user_id, profile_id, language, generic_reason, fingerprint,
        attribute_nos, weights, registered_ids
    )
    WITH attributes AS (
        SELECT
            t.user_id,
            d.attribute_no,
            -- recommender.attribute_weight, in a form that is computed in place.
            max(CASE
                WHEN t.source = 'implicit' THEN recommender.decayed_score(
                    t.score, t.last_seen_at, p_as_of, v_half_life_hours, v_cap
                ) / v_cap
                WHEN t.source = 'attendance' THEN t.score
                ELSE 1
            END) AS weight
        FROM recommender.user_attribute_sources_snapshot AS t
        INNER JOIN pg_temp.scoring_attributes AS d
            ON d.attribute = t.attribute AND d.feature = t.feature
        WHERE t.user_id = ANY (p_user_ids)
        GROUP BY t.user_id, d.attribute_no
    ),

    profiles AS (
        SELECT
            a.user_id,
            array_agg(a.attribute_no ORDER BY a.attribute_no) AS attribute_nos,
            array_agg(a.weight ORDER BY a.attribute_no) AS weights
        FROM attributes AS a
        WHERE a.weight > 0
        GROUP BY a.user_id
    ),

    registered AS (
        SELECT
            r.user_id,
            array_agg(r.event_id ORDER BY r.event_id) AS event_ids
        FROM recommender.source_registrations AS r
        INNER JOIN pg_temp.scoring_members AS m ON m.event_id = r.event_id
        WHERE r.user_id = ANY (p_user_ids)
        GROUP BY r.user_id
    ),

    -- Of what this statement reads: the twins, and in its own snapshot what is read live.
    fingerprints AS (
        SELECT
            h.user_id,
            bit_xor(h.hash) AS fingerprint
        FROM (
            SELECT
                p.user_id,
                p.twin_fingerprint AS hash
            FROM recommender.user_profiles_snapshot AS p
            WHERE p.user_id = ANY (p_user_ids)
            UNION ALL
            SELECT
                v.user_id,
                v.hash
            FROM recommender._live_hashes AS v
            WHERE v.user_id = ANY (p_user_ids)
        ) AS h
        GROUP BY h.user_id
    ),

    languages AS (
        SELECT
            s.user_id,
            s.language,
            row_number() OVER (PARTITION BY s.language ORDER BY s.user_id) AS place
        FROM recommender.source_students AS s
        WHERE s.user_id = ANY (p_user_ids)
    ),

    -- Once a language, not once a student.
    chosen_languages AS MATERIALIZED (
        SELECT
            l.language,
            c.chosen,
            (recommender.templates_for(c.chosen)).generic AS generic_reason
        FROM languages AS l
        CROSS JOIN LATERAL (
            SELECT recommender.choose_language(l.language) AS chosen
            OFFSET 0
        ) AS c
        WHERE l.place = 1
    )

    SELECT
        l.user_id,
        min(l.user_id) OVER (
            PARTITION BY c.chosen, p.attribute_nos, p.weights, r.event_ids
        ) AS profile_id,
        c.chosen,
        c.generic_reason,
        f.fingerprint,
        p.attribute_nos,
        p.weights,
        r.event_ids
    FROM languages AS l
    INNER JOIN chosen_languages AS c ON c.language IS NOT DISTINCT FROM l.language
    LEFT JOIN profiles AS p ON p.user_id = l.user_id
    LEFT JOIN registered AS r ON r.user_id = l.user_id
    LEFT JOIN fingerprints AS f ON f.user_id = l.user_id;

    INSERT INTO pg_temp.scoring_profiles (
        profile_id, language, attribute_nos, weights,
        column_nos, column_weights, own_logit, registered_ids
    )
    WITH columns AS (
        SELECT
            s.user_id,
            d.column_no,
            sum(u.weight * d.weight * d.scale) AS weight,
            min(d.raised_count) AS raised_count,
            min(d.lowered_count) AS lowered_count
        FROM pg_temp.scoring_students AS s
        CROSS JOIN unnest(s.attribute_nos, s.weights) AS u (attribute_no, weight)
        INNER JOIN pg_temp.scoring_attributes AS d ON d.attribute_no = u.attribute_no
        WHERE s.user_id = s.profile_id
        GROUP BY s.user_id, d.column_no
    ),

    profiles AS (
        SELECT
            c.user_id,
            array_agg(c.column_no) FILTER (WHERE c.column_no > 0) AS column_nos,
            array_agg(c.weight) FILTER (WHERE c.column_no > 0) AS weights,
            sum(c.weight) FILTER (WHERE c.column_no = 0) AS own_logit,
            sum(CASE
                WHEN c.weight < 0 THEN c.raised_count
                WHEN c.weight > 0 THEN c.lowered_count
                ELSE 0
            END) AS lowered_count
        FROM columns AS c
        GROUP BY c.user_id
    )

    SELECT
        s.profile_id,
        s.language,
        s.attribute_nos,
        s.weights,
        p.column_nos || h.column_nos,
        p.weights || h.weights,
        coalesce(p.own_logit, 0),
        coalesce(s.registered_ids, '{}')
    FROM pg_temp.scoring_students AS s
    LEFT JOIN profiles AS p ON p.user_id = s.user_id
    CROSS JOIN LATERAL (
        SELECT
            array_agg(-b.part_no) AS column_nos,
            array_agg(0::double precision) AS weights
        FROM generate_series(1, (
            p_top_n + coalesce(cardinality(s.registered_ids), 0) + coalesce(p.lowered_count, 0)
            + 49
        ) / 50) AS b (part_no)
    ) AS h
    WHERE s.user_id = s.profile_id
    ORDER BY s.profile_id;
END;
$$;

COMMENT ON FUNCTION recommender._gather_profiles(integer[], timestamptz, integer) IS
'Fills scoring_students (one row a student of p_user_ids: profile_id, language, fingerprint of what was read, attributes and weights at p_as_of as in user_attributes_snapshot, eligible events registered for; NULL arrays: none) and scoring_profiles (one row a profile: columns of scoring_postings with weight times the model''s weight, and with weight 0 those of the first events by base; own_logit, what the student''s own numbers add to all events alike).';
