-- One row: the model that is judged, and from when on its traffic counts.

CREATE OR REPLACE VIEW recommender.active_evidence AS
SELECT
    (
        SELECT m.model_version
        FROM public.recommender_models AS m
        WHERE m.is_active
    ) AS model_version,
    (
        SELECT max(a.activated_at)
        FROM public.model_activations AS a
        WHERE a.kind <> 'training'
    ) AS evidence_from;

COMMENT ON VIEW recommender.active_evidence IS
'One row: the active model (NULL: none), and in evidence_from the moment of the last rollback or manual activation (NULL: there was none), also one after recommender.as_of(): then no traffic counts. Traffic before it is never used against a model again; a training does not end it, or a nightly one would leave nothing to judge by.';
