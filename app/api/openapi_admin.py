"""The part of the OpenAPI document that is for admins: /api/admin/personalization."""

from __future__ import annotations

from app.api.openapi_parts import Json, answer, faults, or_null, reference, whole_object

PATH = "/api/admin/personalization"

COUNTS: Json = {
    "impressions": {"type": "integer", "minimum": 0},
    "clicks": {"type": "integer", "minimum": 0},
    "registrations": {"type": "integer", "minimum": 0},
    "ctr": {"type": "number", "description": "clicks / impressions; 0 without any"},
    "registration_conversion": {
        "type": "number",
        "description": "registrations / clicks; 0 without any",
    },
}
EXAMPLE_COUNTS = {
    "impressions": 1280,
    "clicks": 192,
    "registrations": 24,
    "ctr": 0.15,
    "registration_conversion": 0.125,
}
EXAMPLE_JOB = {"job_id": 812, "job_type": "recompute_recommendations_ml", "status": "queued"}
TOP_N: Json = {"minimum": 1, "maximum": 10_000, "description": "Events a list"}


def admin_paths() -> Json:
    """Give the routes for admins."""
    return {
        f"{PATH}/status": {"get": _status()},
        f"{PATH}/metrics": {"get": _metrics()},
        f"{PATH}/guardrails/evaluate": {"post": _evaluate()},
        f"{PATH}/models/activate": {"post": _activate()},
        f"{PATH}/retrain": {"post": _retrain()},
    }


def admin_schemas() -> Json:
    """Give what these routes take and answer."""
    return {
        "Status": whole_object(
            {
                **{
                    name: or_null("boolean", description="null: the setting is not valid")
                    for name in (
                        "task_queue_enabled",
                        "recommendations_realtime_refresh_enabled",
                        "recommendations_online_learning_enabled",
                        "recommendations_use_ml_cache",
                        "personalization_guardrails_enabled",
                    )
                },
                "experiments_personalization_ml_percent": or_null("integer"),
                "active_model_version": or_null("string"),
                "active_model_created_at": or_null("string", format="date-time"),
                "last_guardrail": or_null(
                    "object",
                    properties={
                        "evaluated_at": {"type": "string", "format": "date-time"},
                        "action": {"type": "string"},
                        "reason": {"type": "string"},
                    },
                ),
                "warnings": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "What should be looked at, in plain words",
                },
            }
        ),
        "Metrics": whole_object(
            {
                "items": {
                    "type": "array",
                    "description": "One a UTC day, the earliest first",
                    "items": whole_object({"date": {"type": "string", "format": "date"}, **COUNTS}),
                },
                "totals": whole_object(COUNTS),
            }
        ),
        "Job": whole_object(
            {
                "job_id": {"type": "integer"},
                "job_type": {"type": "string"},
                "status": {"type": "string", "enum": ["queued", "running"]},
            }
        ),
        "Activation": whole_object(
            {
                "active_model_version": {"type": "string"},
                "recompute_job": {"anyOf": [reference("Job"), {"type": "null"}]},
            }
        ),
    }


def admin_operation(name: str, summary: str, description: str, responses: Json) -> Json:
    """Describe an operation that is for admins alone."""
    return {
        "operationId": name,
        "tags": ["admin"],
        "summary": summary,
        "description": description,
        "security": [{"bearer": []}],
        "responses": responses,
    }


def with_body(operation: Json, properties: Json, example: Json, *required: str) -> Json:
    """Add the JSON object that an operation takes, and what may be wrong with it."""
    schema: Json = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        schema["required"] = list(required)
    content = {"application/json": {"schema": schema, "example": example}}
    body = {"required": bool(required), "content": content}
    responses = {
        **operation["responses"],
        **faults("401", "403", "408", "409", "413"),
        "422": {"$ref": "#/components/responses/422-body"},
        **faults("500", "503"),
    }
    return {**operation, "requestBody": body, "responses": responses}


def _status() -> Json:
    example = {
        "task_queue_enabled": True,
        "recommendations_realtime_refresh_enabled": True,
        "recommendations_online_learning_enabled": True,
        "recommendations_use_ml_cache": True,
        "personalization_guardrails_enabled": True,
        "experiments_personalization_ml_percent": 50,
        "active_model_version": "20261130-033012",
        "active_model_created_at": "2026-11-30T03:30:12+00:00",
        "last_guardrail": {
            "evaluated_at": "2026-11-30T03:00:00+00:00",
            "action": "ok",
            "reason": "neither rate dropped by more than is allowed",
        },
        "warnings": [],
    }
    return admin_operation(
        "getStatus",
        "What is switched on, the active model, the last guardrail, and warnings",
        "The screen of `SELECT * FROM recommender.status` in short.",
        {
            "200": answer("How the recommender does", reference("Status"), example),
            **faults("401", "403", "500", "503"),
        },
    )


def _metrics() -> Json:
    example = {"items": [{"date": "2026-11-29", **EXAMPLE_COUNTS}], "totals": EXAMPLE_COUNTS}
    return {
        **admin_operation(
            "getMetricsByDay",
            "Impressions, clicks and registrations by day",
            "What `recommender.metrics(days)` counts; days without traffic are there with zeros.",
            {
                "200": answer("The days, and all together", reference("Metrics"), example),
                **faults("401", "403", "422", "500", "503"),
            },
        ),
        "parameters": [
            {
                "name": "days",
                "in": "query",
                "description": "How many days, today included",
                "schema": {"type": "integer", "minimum": 1, "maximum": 365, "default": 30},
            }
        ],
    }


def _evaluate() -> Json:
    job = EXAMPLE_JOB | {"job_type": "evaluate_personalization_guardrails"}
    ratio = {"minimum": 0, "maximum": 1}
    return with_body(
        admin_operation(
            "evaluateGuardrails",
            "Queue an evaluation of the guardrails",
            "What the body does not say is as the settings have it.",
            {"201": answer("The job", reference("Job"), job)},
        ),
        {
            "days": or_null("integer", minimum=1, maximum=365),
            "min_impressions": or_null("integer", minimum=1, maximum=1_000_000_000),
            "ctr_drop_ratio": or_null("number", **ratio),
            "conversion_drop_ratio": or_null("number", **ratio),
            "click_to_register_window_hours": or_null("integer", minimum=1, maximum=8760),
        },
        {"days": 14, "min_impressions": 500},
    )


def _activate() -> Json:
    operation = with_body(
        admin_operation(
            "activateModel",
            "Make another model the active one",
            "At once; `recompute` (default true) queues the rewriting of all lists with it."
            " Guardrails judge the model by what comes from now on.",
            {
                "200": answer(
                    "The model is active",
                    reference("Activation"),
                    {"active_model_version": "20261129-033009", "recompute_job": EXAMPLE_JOB},
                )
            },
        ),
        {
            "model_version": {"type": "string", "minLength": 1},
            "recompute": or_null("boolean"),
            "top_n": or_null("integer", **TOP_N),
            "reason": or_null("string", description="Kept with the activation"),
        },
        {"model_version": "20261129-033009", "reason": "the new one repeats itself"},
        "model_version",
    )
    return {**operation, "responses": {**operation["responses"], **faults("404")}}


def _retrain() -> Json:
    return with_body(
        admin_operation(
            "retrain",
            "Queue a training, and the rewriting of all lists after it",
            "A model whose held-out loss is worse than the active one's is stored, and"
            " activated only with `force`.",
            {"201": answer("The job", reference("Job"), EXAMPLE_JOB)},
        ),
        {
            "top_n": or_null("integer", **TOP_N),
            "epochs": or_null("integer", minimum=1, maximum=10_000),
            "lr": or_null("number", minimum=1e-9, maximum=1000),
            "l2": or_null("number", minimum=0, maximum=1_000_000),
            "seed": or_null("integer", minimum=0, maximum=9_007_199_254_740_991),
            "model_version": or_null("string", minLength=1, description="The new model's version"),
            "force": or_null("boolean"),
        },
        {"top_n": 50, "seed": 7},
    )
