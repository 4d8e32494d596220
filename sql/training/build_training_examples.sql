-- The examples (pg_temp.training_examples): labelled pairs, sampled negatives, weak positives.

CREATE OR REPLACE FUNCTION recommender.build_training_examples(
    p_seed bigint, p_negatives_per_positive integer, p_eval_negatives integer
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    PERFORM recommender._start_examples();
    PERFORM recommender._sample_negatives(p_seed, p_negatives_per_positive);
    PERFORM recommender._sample_weak_positives(p_seed);
    PERFORM recommender._sample_holdout_negatives(p_seed, p_eval_negatives);
    CREATE INDEX ON pg_temp.training_examples (event_id);
    ANALYZE pg_temp.training_examples;
END;
$$;

COMMENT ON FUNCTION recommender.build_training_examples(bigint, integer, integer) IS
'Builds pg_temp.training_examples from training_pairs: kind positive, unregister, negative and weak_positive are trained on; holdout and holdout_negative only judge the result. Reproducible for a seed.';
