-- Keeps an evaluation and gives what its caller is told.

CREATE OR REPLACE FUNCTION recommender._store_guardrail(
    p_evaluation public.guardrail_evaluations
)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_id bigint := nextval(pg_get_serial_sequence('public.guardrail_evaluations', 'id'));
    v_evaluation public.guardrail_evaluations := p_evaluation;
BEGIN
    v_evaluation.id := v_id;
    INSERT INTO public.guardrail_evaluations OVERRIDING SYSTEM VALUE
    SELECT v_evaluation.*;
    RETURN recommender._guardrail_outcome(v_evaluation);
END;
$$;

COMMENT ON FUNCTION recommender._store_guardrail(public.guardrail_evaluations) IS
'Inserts the evaluation and returns recommender._guardrail_outcome of it.';
