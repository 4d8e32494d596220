-- What all lists depend on besides students and events, as a hash.

CREATE OR REPLACE FUNCTION recommender._basis_hash(p_model public.recommender_models)
RETURNS bigint
LANGUAGE sql
STABLE
BEGIN ATOMIC
    SELECT hashtextextended(
        concat_ws(
            ' ',
            (p_model).weights,
            p.decay_half_life_hours,
            p.implicit_score_cap,
            (
                SELECT jsonb_agg(
                    jsonb_build_array(t.language, t.kind, t.template) ORDER BY t.language, t.kind
                )
                FROM public.recommendation_reasons AS t
            )
        ),
        0
    )
    FROM recommender.parameters AS p;
END;

COMMENT ON FUNCTION recommender._basis_hash(public.recommender_models) IS
'A hash of a model''s weights, half life and cap of implicit scores, and the sentences of reasons: lists of runs with another one are out of date, whatever students and events did.';
