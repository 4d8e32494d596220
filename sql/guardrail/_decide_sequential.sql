-- The verdict of PERSONALIZATION_GUARDRAILS_METHOD=sequential, from what is stored of it alone.

CREATE OR REPLACE FUNCTION recommender._decide_sequential(
    p_moments jsonb,
    p_sample_ratio jsonb,
    p_ctr_drop double precision,
    p_conversion_drop double precision
)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- 5 % for the two tests together. Each bound is tightest where a week of a small site ends:
    -- 20,000 impressions a sort, a tenth of them clicked.
    -- Materialized: each test is read several times.
    WITH tests AS MATERIALIZED (
        SELECT
            recommender._sequential_test(p_moments -> 'ctr', p_ctr_drop, 20000, 0.025) AS ctr,
            recommender._sequential_test(
                p_moments -> 'conversion', p_conversion_drop, 2000, 0.025
            ) AS conversion
    ),

    verdicts AS MATERIALIZED (
        SELECT
            t.*,
            (t.ctr ->> 'is_judged')::boolean AS is_judged,
            (t.ctr ->> 'is_worse')::boolean AS is_ctr_worse,
            (t.conversion ->> 'is_worse')::boolean AS is_conversion_worse,
            coalesce((p_sample_ratio ->> 'is_mismatch')::boolean, false) AS is_mismatch
        FROM tests AS t
    )

    SELECT jsonb_build_object(
        'verdict', CASE
            WHEN v.is_mismatch THEN 'sample_ratio_mismatch'
            WHEN v.is_ctr_worse OR v.is_conversion_worse THEN 'worse'
            WHEN v.is_judged THEN 'not_worse'
            ELSE 'not_judged'
        END,
        'is_ctr_worse', v.is_ctr_worse,
        'is_conversion_worse', v.is_conversion_worse,
        'ctr', v.ctr,
        'conversion', v.conversion,
        'sample_ratio', p_sample_ratio,
        'moments', p_moments
    )
    FROM verdicts AS v;
END;

COMMENT ON FUNCTION recommender._decide_sequential(
    jsonb, jsonb, double precision, double precision
) IS
'From _guardrail_moments, _sample_ratio_check (NULL: not asked) and the allowed drops: verdict is sample_ratio_mismatch (whatever the tests say), worse (clicks or conversions are, falsely in 5 % of all runs of looks at most), not_worse, or not_judged (fewer than 30 effective students in a sort). Holds its inputs and both tests, so that the same answer can be had from a stored one.';
