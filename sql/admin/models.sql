-- One row is one stored model: what is known of it, and what it changed.

CREATE OR REPLACE VIEW recommender.models AS
SELECT
    m.model_version,
    m.is_active,
    m.created_at,
    recommender._number_in(m.meta, 'loss') AS loss,
    recommender._number_in(m.meta, 'held_out_loss') AS held_out_loss,
    recommender._number_in(m.meta, 'hitrate_at_10') AS hitrate_at_10,
    recommender._number_in(m.meta, 'chance_at_10') AS chance_at_10,
    e.example_count,
    recommender._named_weights(m.feature_names, m.weights) AS weights,
    a.previous_version,
    recommender._named_weights(b.feature_names, b.weights) AS previous_weights,
    c.weight_changes,
    a.activated_at,
    a.activated_by,
    a.kind AS activation_kind,
    a.reason AS activation_reason
FROM public.recommender_models AS m
LEFT JOIN LATERAL (
    SELECT
        v.previous_version,
        v.activated_at,
        v.activated_by,
        v.kind,
        v.reason
    FROM public.model_activations AS v
    WHERE v.model_version = m.model_version
    ORDER BY v.id DESC
    LIMIT 1
) AS a ON true
LEFT JOIN public.recommender_models AS b ON b.model_version = a.previous_version
CROSS JOIN LATERAL (
    SELECT sum((x.value)::bigint)::bigint AS example_count
    FROM jsonb_each(
        CASE WHEN jsonb_typeof(m.meta -> 'examples') = 'object' THEN m.meta -> 'examples' END
    ) AS x
    WHERE
        x.key NOT IN ('calibration', 'holdout', 'holdout_negative')
        AND jsonb_typeof(x.value) = 'number'
) AS e
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(n.feature, n.weight - o.weight) AS weight_changes
    FROM unnest(m.feature_names, m.weights) AS n (feature, weight)
    INNER JOIN unnest(b.feature_names, b.weights) AS o (feature, weight) ON o.feature = n.feature
) AS c
ORDER BY m.id DESC;

COMMENT ON VIEW recommender.models IS
'One row is one stored model, the newest first. loss is the mean weighted log loss of its examples, held_out_loss that of the held-out ones; hitrate_at_10 and chance_at_10 are the share of held-out positives among the first ten, and what a random order would give; example_count counts what it was fitted to; each NULL where meta does not say. weights and previous_weights are {feature: weight} in logit units, previous_version the model that was active before its last activation, weight_changes weights minus previous_weights of the features both have. activated_at, activated_by, activation_kind (training, manual, rollback) and activation_reason are of the last activation. What there was not is NULL.';
