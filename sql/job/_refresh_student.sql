-- Refreshes one student's list for a job; the first to find the events' twin old has it rebuilt.

CREATE OR REPLACE FUNCTION recommender._refresh_student(p_user_id integer, p_top_n integer)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_item_count integer;
BEGIN
    IF NOT EXISTS (
        SELECT FROM recommender.source_students AS s WHERE s.user_id = p_user_id
    ) THEN
        -- Gone since the signal: nobody has to look into it.
        RETURN jsonb_build_object(
            'item_count', 0,
            'reason', format('user %s is not a student', p_user_id),
            'is_done', true
        );
    END IF;
    v_item_count := recommender.score_user(p_user_id, p_top_n);
    -- Asked of one snapshot, and without a lock on the job: refreshes must not wait for each other,
    -- and a claim would pass over it.
    IF (
        SELECT
            (
                NOT recommender._has_fresh_upcoming(
                    recommender.as_of(), interval '5 minutes', x.is_extended
                )
                -- Until the twin has them, refreshes read them from the views, which is dear then.
                OR x.is_extended AND EXISTS (
                    SELECT
                    FROM recommender.source_events AS e
                    WHERE
                        e.is_published
                        AND e.is_known
                        AND e.start_time >= (SELECT recommender.as_of())
                        AND NOT EXISTS (
                            SELECT FROM recommender.upcoming_attributes_snapshot AS t
                            WHERE
                                t.event_id = e.event_id
                                AND t.attribute = ''
                                AND t.feature = 'popularity'
                        )
                )
            )
            AND NOT EXISTS (
                SELECT FROM public.background_jobs AS j
                WHERE
                    j.status IN ('queued', 'running') AND j.job_type = 'refresh_upcoming_events'
            )
        FROM (SELECT recommender._has_extended_features() AS is_extended) AS x
    ) THEN
        PERFORM recommender.enqueue_job('refresh_upcoming_events', '{}', 'all');
    END IF;
    RETURN jsonb_build_object('item_count', v_item_count, 'is_done', true);
END;
$$;

COMMENT ON FUNCTION recommender._refresh_student(integer, integer) IS
'Writes the student''s list and returns its item_count; of somebody who is no student any more 0, and the reason. Enqueues refresh_upcoming_events when upcoming_attributes_snapshot is older than five minutes, or with extended features lacks an event.';
