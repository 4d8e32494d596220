-- Writes the lists of one range of students, all or none of them.
--
-- Per student: the sums of shared attributes (postings), and of the events that share nothing as
-- many as the list is long, best base first. Exact for any weights: an event outside both is
-- beaten by top_n events of the second kind.

CREATE OR REPLACE FUNCTION recommender.score_students(
    p_run_id bigint,
    p_first_user_id integer,
    p_last_user_id integer,
    p_wait boolean DEFAULT false,
    p_overwrite boolean DEFAULT false
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET plan_cache_mode = 'force_generic_plan'
SET jit = 'off'
AS $$
DECLARE
    v_run public.recommendation_runs;
    v_previous text := current_setting('recommender.as_of', true);
    v_user_ids integer[];
    v_newer_ids integer[];
    v_written_ids integer[];
    v_item_counts integer[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(recommender._lock_key('model'));
    SELECT r.* INTO STRICT v_run FROM public.recommendation_runs AS r WHERE r.id = p_run_id;
    PERFORM recommender._check_run_model(v_run);
    SELECT b.user_ids, b.newer_ids INTO v_user_ids, v_newer_ids
    FROM recommender._lock_lists(
        v_run, p_first_user_id, p_last_user_id, p_wait, p_overwrite
    ) AS b;
    PERFORM recommender._ensure_run_snapshot(v_run);
    PERFORM set_config('recommender.as_of', v_run.as_of::text, true);

    -- The lengths come back from the very rows that were written: counted by another statement,
    -- they could be those of newer registrations.
    WITH written AS (
        INSERT INTO public.user_recommendations (
            user_id, rank, event_id, score, model_version, generated_at, reason
        )
        SELECT
            s.user_id, t.rank, t.event_id, t.score, v_run.model_version, v_run.as_of, t.reason
        FROM recommender.source_students AS s
        CROSS JOIN LATERAL (
            SELECT recommender.templates_for(s.language) AS templates
            OFFSET 0
        ) AS l
        CROSS JOIN LATERAL (
            WITH profile AS MATERIALIZED (
                SELECT ua.feature, ua.attribute, ua.weight
                FROM recommender.user_attributes_snapshot AS ua
                WHERE ua.user_id = s.user_id
            ),

            registered AS MATERIALIZED (
                SELECT r.event_id
                FROM recommender.source_registrations AS r
                WHERE r.user_id = s.user_id
            ),

            matched AS MATERIALIZED (
                SELECT
                    p.event_id,
                    min(p.base) + sum(u.weight * p.contribution) AS logit
                FROM profile AS u
                INNER JOIN pg_temp.scoring_postings AS p
                    ON p.attribute = u.attribute AND p.feature = u.feature
                GROUP BY p.event_id
            ),

            candidates AS (
                SELECT m.event_id, m.logit
                FROM matched AS m
                WHERE m.event_id NOT IN (SELECT g.event_id FROM registered AS g)
                UNION ALL
                (
                    SELECT e.event_id, e.base AS logit
                    FROM pg_temp.scoring_events AS e
                    WHERE
                        e.event_id NOT IN (SELECT m.event_id FROM matched AS m)
                        AND e.event_id NOT IN (SELECT g.event_id FROM registered AS g)
                    ORDER BY e.base_rank
                    LIMIT v_run.top_n
                )
            ),

            ranked AS MATERIALIZED (
                SELECT c.event_id, c.logit
                FROM candidates AS c
                ORDER BY recommender.sort_key(c.logit) DESC, c.event_id
                LIMIT v_run.top_n
            ),

            reasons AS (
                SELECT
                    a.event_id,
                    (array_agg(a.attribute ORDER BY u.weight DESC, a.attribute COLLATE "C")
                        FILTER (WHERE a.feature = 'overlap_interest_ratio')
                    )[1:3] AS interests,
                    bool_or(a.feature = 'same_city' AND u.weight >= 0.5) AS is_near
                FROM profile AS u
                INNER JOIN recommender.event_attributes_snapshot AS a
                    ON a.attribute = u.attribute AND a.feature = u.feature
                WHERE
                    u.weight > 0
                    AND u.feature IN ('overlap_interest_ratio', 'same_city')
                    AND a.event_id IN (SELECT k.event_id FROM ranked AS k)
                GROUP BY a.event_id
            )

            SELECT
                row_number() OVER (
                    ORDER BY recommender.sort_key(k.logit) DESC, k.event_id
                )::integer AS rank,
                k.event_id,
                recommender.sigmoid(k.logit) AS score,
                recommender.reason_text(l.templates, w.interests, w.is_near) AS reason
            FROM ranked AS k
            LEFT JOIN reasons AS w ON w.event_id = k.event_id
        ) AS t
        WHERE s.user_id = ANY (v_user_ids)
        ORDER BY s.user_id, t.rank
        ON CONFLICT (user_id, rank) DO UPDATE SET
            event_id = excluded.event_id,
            score = excluded.score,
            model_version = excluded.model_version,
            generated_at = excluded.generated_at,
            reason = excluded.reason
        RETURNING user_id
    )

    SELECT
        array_agg(c.user_id),
        array_agg(c.item_count)
    INTO v_written_ids, v_item_counts
    FROM (
        SELECT
            w.user_id,
            count(*)::integer AS item_count
        FROM written AS w
        GROUP BY w.user_id
    ) AS c;

    PERFORM recommender._check_run_snapshot(v_run);
    PERFORM recommender._close_lists(
        v_run, v_user_ids, v_newer_ids, v_written_ids, v_item_counts
    );
    PERFORM set_config('recommender.as_of', coalesce(v_previous, ''), true);
    RETURN coalesce(cardinality(v_user_ids), 0) + coalesce(cardinality(v_newer_ids), 0);
END;
$$;

COMMENT ON FUNCTION recommender.score_students(bigint, integer, integer, boolean, boolean) IS
'Writes the lists of the students first..last that the run has not passed, in the caller''s transaction, and returns how many it passed. Lists somebody else is writing are skipped, or waited for with p_wait; lists of a later moment by the same model are left unless p_overwrite. Needs recommender.prepare_run in this session. Raises ER031 when another model scores by now, ER033 when the twins were rebuilt for another moment.';
