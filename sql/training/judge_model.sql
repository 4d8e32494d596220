-- Whether a trained model may take the active one's place.

CREATE OR REPLACE FUNCTION recommender.judge_model(
    p_loss double precision,
    p_active_version text,
    p_active_loss double precision,
    p_student_count bigint,
    p_force boolean DEFAULT false
)
RETURNS TABLE (is_activated boolean, is_warning boolean, reason text)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
    v_most double precision := (SELECT p.max_loss_increase FROM recommender.parameters AS p);
    v_enough bigint := (SELECT p.min_holdout_students FROM recommender.parameters AS p);
    v_is_worse boolean := false;
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
        -- What rounding does to the product must not decide.
        v_is_worse := p_loss > p_active_loss * (1 + v_most) * (1 + 1e-12);
        reason := format(
            'held-out loss %s, that of the active model "%s" %s (%s students)',
            round(p_loss::numeric, 6), p_active_version, round(p_active_loss::numeric, 6),
            p_student_count
        );
    END IF;
    IF v_is_worse THEN
        is_warning := true;
        reason := format(
            '%s%s: worse by more than the share of it that RECOMMENDER_MAX_LOSS_INCREASE allows, %s',
            CASE WHEN p_force THEN 'forced in spite of ' ELSE '' END, reason, v_most
        );
    END IF;
    is_activated := coalesce(p_force, false) OR NOT v_is_worse;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION recommender.judge_model(
    double precision, text, double precision, bigint, boolean
) IS
'The rule of retraining. A model is not activated when its held-out loss is above (1 + RECOMMENDER_MAX_LOSS_INCREASE) times the active one''s; exactly there it is. It is activated without a comparison when no model is active, and with is_warning when fewer students than RECOMMENDER_MIN_HOLDOUT_STUDENTS have a held-out positive, or a loss is NULL (compare_with_active says when). p_force activates it whatever the losses; is_warning then says that they spoke against it. reason is the verdict in words, without a full stop.';
