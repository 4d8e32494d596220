-- Adds what a batch says of a student to the implicit scores of tags, categories and cities.
--
-- Upserts in the order of the key: whoever else writes this student's rows meets them in the same
-- order, and nobody waits in a circle.

CREATE OR REPLACE FUNCTION recommender._learn_interests(
    p_user_id integer,
    p_types text[],
    p_event_ids integer[],
    p_metas jsonb[],
    p_as_of timestamptz
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_half_life double precision;
    v_cap double precision;
    v_threshold double precision;
    v_event_ids integer[];
    v_deltas double precision[];
    v_categories text[];
    v_cities text[];
    v_names jsonb[];
    -- Searches may name anything. Nobody has so many interests, and a refresh reads them all.
    v_most_names CONSTANT integer := 500;
BEGIN
    SELECT p.decay_half_life_hours, p.implicit_score_cap, p.dwell_threshold_seconds
    INTO v_half_life, v_cap, v_threshold
    FROM recommender.parameters AS p;

    -- Of what was done with one event in one batch, the strongest counts.
    SELECT
        array_agg(e.event_id),
        array_agg(d.delta),
        array_agg(e.category),
        array_agg(e.city)
    INTO v_event_ids, v_deltas, v_categories, v_cities
    FROM (
        SELECT
            i.event_id,
            max(recommender._learning_delta(i.interaction_type, i.meta, v_threshold)) AS delta
        FROM unnest(p_types, p_event_ids, p_metas) AS i (interaction_type, event_id, meta)
        WHERE i.event_id IS NOT NULL
        GROUP BY i.event_id
    ) AS d
    INNER JOIN recommender.source_events AS e ON e.event_id = d.event_id
    WHERE d.delta > 0;

    -- What was looked for counts once a name, however often the batch says it.
    SELECT array_agg(i.meta) INTO v_names
    FROM unnest(p_types, p_event_ids, p_metas) AS i (interaction_type, event_id, meta)
    WHERE i.interaction_type IN ('search', 'filter') AND i.event_id IS NULL AND i.meta IS NOT NULL;
    IF v_event_ids IS NULL AND v_names IS NULL THEN
        RETURN;
    END IF;

    INSERT INTO public.user_implicit_interest_tags AS t (user_id, tag_id, score, last_seen_at)
    SELECT p_user_id, s.tag_id, least(v_cap, s.score), p_as_of
    FROM recommender._sum_tag_interests(p_user_id, v_event_ids, v_deltas, v_names) AS s
    ORDER BY s.tag_id
    ON CONFLICT (user_id, tag_id) DO UPDATE SET
        score = least(v_cap, excluded.score + recommender.decayed_score(
            t.score, t.last_seen_at, excluded.last_seen_at, v_half_life, v_cap
        )),
        last_seen_at = greatest(t.last_seen_at, excluded.last_seen_at);

    INSERT INTO public.user_implicit_interest_categories AS t (
        user_id, category, score, last_seen_at
    )
    SELECT p_user_id, k.name, least(v_cap, k.score), p_as_of
    FROM (
        SELECT
            s.name,
            s.score,
            c.user_id IS NOT NULL AS is_known,
            row_number() OVER (PARTITION BY c.user_id IS NULL ORDER BY s.name COLLATE "C")
                AS new_no
        FROM recommender._sum_interests(v_categories, v_deltas, v_names, 'category') AS s
        LEFT JOIN recommender.source_implicit_categories AS c
            ON c.user_id = p_user_id AND c.category = s.name
    ) AS k
    WHERE k.is_known OR k.new_no <= v_most_names - (
        SELECT count(*)
        FROM recommender.source_implicit_categories AS c
        WHERE c.user_id = p_user_id
    )
    ORDER BY k.name
    ON CONFLICT (user_id, category) DO UPDATE SET
        score = least(v_cap, excluded.score + recommender.decayed_score(
            t.score, t.last_seen_at, excluded.last_seen_at, v_half_life, v_cap
        )),
        last_seen_at = greatest(t.last_seen_at, excluded.last_seen_at);

    INSERT INTO public.user_implicit_interest_cities AS t (user_id, city, score, last_seen_at)
    SELECT p_user_id, k.name, least(v_cap, k.score), p_as_of
    FROM (
        SELECT
            s.name,
            s.score,
            c.user_id IS NOT NULL AS is_known,
            row_number() OVER (PARTITION BY c.user_id IS NULL ORDER BY s.name COLLATE "C")
                AS new_no
        FROM recommender._sum_interests(v_cities, v_deltas, v_names, 'city') AS s
        LEFT JOIN recommender.source_implicit_cities AS c
            ON c.user_id = p_user_id AND c.city = s.name
    ) AS k
    WHERE k.is_known OR k.new_no <= v_most_names - (
        SELECT count(*)
        FROM recommender.source_implicit_cities AS c
        WHERE c.user_id = p_user_id
    )
    ORDER BY k.name
    ON CONFLICT (user_id, city) DO UPDATE SET
        score = least(v_cap, excluded.score + recommender.decayed_score(
            t.score, t.last_seen_at, excluded.last_seen_at, v_half_life, v_cap
        )),
        last_seen_at = greatest(t.last_seen_at, excluded.last_seen_at);
END;
$$;

COMMENT ON FUNCTION recommender._learn_interests(
    integer, text[], integer[], jsonb[], timestamptz
) IS
'Adds a batch (arrays of one length) to a student''s implicit scores at p_as_of: the old score decayed, plus the event''s largest delta (recommender._learning_delta), in full for its category and city, divided by the number of its distinct tags for each tag; 0.2 for each distinct tag, category and city searched or filtered for. A student with 500 categories, or cities, learns no new ones; of a batch that goes beyond, the first by name are learned. Never above the cap. Hidden tags are skipped, but count in the divisor. last_seen_at never moves backwards.';
