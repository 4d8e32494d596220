-- Writes the lists of one range of students, all or none of them.
--
-- Per student: the sums of shared attributes (postings), together with the head of the events by
-- base. The head is as long as the list, and longer by every event in it that may not be shown
-- (registered) or may fall below its base (shares an attribute of negative weight). So top_n
-- events of the head stay at or above their base, and beat every event that is outside and shares
-- nothing: exact for any weights.

CREATE OR REPLACE FUNCTION recommender.score_students(
    p_run_id bigint,
    p_first_user_id integer,
    p_last_user_id integer,
    p_wait boolean DEFAULT false
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
        v_run, p_first_user_id, p_last_user_id, p_wait
    ) AS b;
    IF NOT recommender._ensure_run_snapshot(v_run) THEN
        RETURN NULL;
    END IF;
    PERFORM recommender._set_as_of(v_run.as_of);

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
                SELECT
                    d.attribute_no,
                    d.feature,
                    d.attribute,
                    d.lowered_count,
                    ua.weight
                FROM recommender.user_attributes_snapshot AS ua
                INNER JOIN pg_temp.scoring_attributes AS d
                    ON d.attribute = ua.attribute AND d.feature = ua.feature
                WHERE ua.user_id = s.user_id
            ),

            registered AS MATERIALIZED (
                SELECT r.event_id
                FROM recommender.source_registrations AS r
                WHERE r.user_id = s.user_id
            ),

            scored AS (
                SELECT
                    p.event_id,
                    p.base,
                    u.weight * p.contribution AS contribution
                FROM profile AS u
                INNER JOIN pg_temp.scoring_postings AS p ON p.attribute_no = u.attribute_no
                UNION ALL
                SELECT
                    e.event_id,
                    e.base,
                    0 AS contribution
                FROM pg_temp.scoring_events AS e
                WHERE
                    e.base_rank <= v_run.top_n
                    + (SELECT count(*) FROM registered)
                    + (SELECT coalesce(sum(u.lowered_count), 0) FROM profile AS u)
            ),

            ranked AS MATERIALIZED (
                SELECT
                    c.event_id,
                    min(c.base) + sum(c.contribution) AS logit
                FROM scored AS c
                GROUP BY c.event_id
                HAVING c.event_id NOT IN (SELECT g.event_id FROM registered AS g)
                ORDER BY recommender.sort_key(min(c.base) + sum(c.contribution)) DESC, c.event_id
                LIMIT v_run.top_n
            ),

            reasons AS (
                SELECT
                    a.event_id,
                    (array_agg(u.attribute ORDER BY u.weight DESC, u.attribute_no)
                        FILTER (WHERE u.feature = 'overlap_interest_ratio')
                    )[1:3] AS interests,
                    bool_or(u.feature = 'same_city' AND u.weight >= 0.5) AS is_near
                FROM ranked AS k
                INNER JOIN pg_temp.scoring_reasons AS a ON a.event_id = k.event_id
                INNER JOIN profile AS u ON u.attribute_no = a.attribute_no
                WHERE u.weight > 0
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

    PERFORM recommender._close_lists(
        v_run, v_user_ids, v_newer_ids, v_written_ids, v_item_counts
    );
    PERFORM set_config('recommender.as_of', coalesce(v_previous, ''), true);
    RETURN coalesce(cardinality(v_user_ids), 0) + coalesce(cardinality(v_newer_ids), 0);
END;
$$;

COMMENT ON FUNCTION recommender.score_students(bigint, integer, integer, boolean) IS
'Writes the lists of the students first..last that the run has not passed, in the caller''s transaction, and returns how many it passed. Lists somebody else is writing are skipped, or waited for with p_wait; lists of a later moment by the same model are left unless the run overwrites. Needs recommender.prepare_run in this session. NULL: the twins were being rebuilt for another moment; nothing was written, commit and call again. Raises ER031 when another model scores by now.';
