-- Whether a trained model may take the active one's place.

CREATE OR REPLACE FUNCTION recommender.judge_model(
    p_loss double precision,
    p_active_version text,
    p_active_loss double precision,
    p_student_count bigint,
    p_force boolean DEFAULT false,
    p_against_popularity jsonb DEFAULT NULL
)
RETURNS TABLE (is_activated boolean, is_warning boolean, reason text)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_most double precision := (SELECT p.max_loss_increase FROM recommender.parameters AS p);
    v_enough bigint := (SELECT p.min_holdout_students FROM recommender.parameters AS p);
    v_popularity_students bigint := coalesce((p_against_popularity ->> 'students')::bigint, 0);
    v_is_unpopular boolean := false;
    v_popularity text;
    v_faults text[] := '{}';
BEGIN
    is_warning := false;
    IF p_active_version IS NULL THEN
        reason := 'no model was active';
    ELSIF (p_student_count >= v_enough) IS NOT TRUE THEN
        is_warning := true;
        reason := format(
            'not compared with the active model "%s": %s students have a held-out positive, and '
            'RECOMMENDER_MIN_HOLDOUT_STUDENTS is %s',
            p_active_version, coalesce(p_student_count, 0), v_enough
        );
    ELSIF p_loss IS NULL OR p_active_loss IS NULL THEN
        is_warning := true;
        reason := format(
            'not compared with the active model "%s": %s', p_active_version,
            CASE WHEN p_loss IS NULL
                THEN 'there are no held-out negatives'
                ELSE 'it was trained on other features'
            END
        );
    ELSE
        reason := format(
            'held-out loss %s, that of the active model "%s" %s (%s students)',
            round(p_loss::numeric, 6), p_active_version, round(p_active_loss::numeric, 6),
            p_student_count
        );
        -- What rounding does to the product must not decide.
        IF p_loss > p_active_loss * (1 + v_most) * (1 + 1e-12) THEN
            v_faults := v_faults || format(
                'worse by more than the share of it that RECOMMENDER_MAX_LOSS_INCREASE allows, %s',
                v_most
            );
        END IF;
    END IF;

    IF jsonb_typeof(p_against_popularity) = 'object' AND v_popularity_students < v_enough THEN
        is_warning := true;
        reason := format(
            '%s; not compared with popularity: %s students came in the newest window',
            reason, v_popularity_students
        );
    ELSIF jsonb_typeof(p_against_popularity) = 'object' THEN
        v_popularity := format(
            'NDCG@10 %s %s popularity''s (%s to %s, %s students)',
            abs(round((p_against_popularity ->> 'difference')::numeric, 3)),
            CASE WHEN (p_against_popularity ->> 'difference')::double precision < 0
                THEN 'below' ELSE 'above'
            END,
            round((p_against_popularity ->> 'low')::numeric, 3),
            round((p_against_popularity ->> 'high')::numeric, 3),
            v_popularity_students
        );
        v_is_unpopular := (p_against_popularity ->> 'high')::double precision < 0;
        IF v_is_unpopular AND p_active_version IS NOT NULL THEN
            v_faults := v_faults || v_popularity;
        ELSE
            -- With nothing to keep, even a poor model is more than none.
            is_warning := is_warning OR v_is_unpopular;
            reason := reason || '; ' || v_popularity;
        END IF;
    END IF;

    IF cardinality(v_faults) > 0 THEN
        is_warning := true;
        reason := format(
            '%s%s: %s',
            CASE WHEN p_force THEN 'forced in spite of ' ELSE '' END,
            reason, array_to_string(v_faults, ', and ')
        );
    END IF;
    is_activated := coalesce(p_force, false) OR cardinality(v_faults) = 0;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION recommender.judge_model(
    double precision, text, double precision, bigint, boolean, jsonb
) IS
'The rule of retraining. A model is not activated when its held-out loss is above (1 + RECOMMENDER_MAX_LOSS_INCREASE) times the active one''s (exactly there it is), nor when it ranks the newest window worse than popularity does: p_against_popularity holds students, difference (mean over students of the model''s NDCG@10 minus popularity''s) and its 95 % interval, low and high, which must lie below 0 (NULL: not measured). It is activated without a comparison when no model is active, and with is_warning when fewer students than RECOMMENDER_MIN_HOLDOUT_STUDENTS have a held-out positive, or came in the newest window, or a loss is NULL (compare_with_active says when). p_force activates it whatever speaks against it; is_warning then says that something did. reason is the verdict in words, without a full stop.';
