"""The part of the OpenAPI document that is the admins' desk: what its pages show."""

from __future__ import annotations

from app.api.openapi_admin import PATH, admin_operation
from app.api.openapi_parts import Json, answer, faults, or_null, reference, whole_object

TEXT: Json = {"type": "string"}
TEXT_OR_NULL = or_null("string")
NUMBER: Json = {"type": "number"}
NUMBER_OR_NULL = or_null("number")
COUNT: Json = {"type": "integer", "minimum": 0}
SWITCH: Json = {"type": "boolean"}
MOMENT: Json = {"type": "string", "format": "date-time"}
MOMENT_OR_NULL = or_null("string", format="date-time")
SHARE_OR_NULL = or_null("number", minimum=0, maximum=1)
SORT: Json = {"type": "string", "enum": ["recommended", "time"]}

LABEL: Json = {"type": "string", "description": "The feature in a few words"}

COUNTS: Json = {
    "variant": SORT,
    "impressions": COUNT,
    "clicks": COUNT,
    "conversions": {**COUNT, "description": "Clicks that a registration followed"},
    "ctr": or_null("number", description="clicks / impressions; null without any"),
    "ctr_low": SHARE_OR_NULL,
    "ctr_high": SHARE_OR_NULL,
    "conversion": or_null("number", description="conversions / clicks; null without any"),
    "conversion_low": SHARE_OR_NULL,
    "conversion_high": SHARE_OR_NULL,
}
EXAMPLE_COUNTS: Json = {
    "variant": "recommended",
    "impressions": 400,
    "clicks": 60,
    "conversions": 12,
    "ctr": 0.15,
    "ctr_low": 0.11834,
    "ctr_high": 0.18831,
    "conversion": 0.2,
    "conversion_low": 0.11829,
    "conversion_high": 0.31782,
}
EXAMPLE_ACTIVATION: Json = {
    "activated_at": "2026-11-30T03:30:14+00:00",
    "activated_by": "eventrank",
    "kind": "training",
    "reason": "held-out loss 0.4523 beside 0.4571",
    "previous_version": "20261129-033009",
}
ACTIVATION: Json = {
    "activated_at": MOMENT,
    "activated_by": {**TEXT, "description": 'A database role, or "user <id>"'},
    "kind": {"type": "string", "enum": ["training", "manual", "rollback"]},
    "reason": TEXT_OR_NULL,
    "previous_version": or_null("string", description="What was active before; null: none"),
}


def array(items: Json, **more: object) -> Json:
    """Describe an array."""
    return {"type": "array", "items": items, **more}


def desk_paths() -> Json:
    """Give the routes of the desk."""
    return {
        f"{PATH}/overview": {"get": _overview()},
        f"{PATH}/variants": {"get": _variants()},
        f"{PATH}/models": {"get": _models()},
    }


def desk_schemas() -> Json:
    """Give what these routes answer."""
    return {
        "Overview": _overview_schema(),
        "Variants": _variants_schema(),
        "Model": _model_schema(),
    }


def _overview_schema() -> Json:
    return whole_object(
        {
            "moment": MOMENT,
            "items": array(
                whole_object(
                    {
                        "area": TEXT,
                        "item": TEXT,
                        "value": TEXT_OR_NULL,
                        "warning": or_null("string", description="What to do; null: nothing"),
                    }
                ),
                description="The rows of `SELECT * FROM recommender.status`, in their order",
            ),
            "lists": whole_object(
                {
                    "students": COUNT,
                    "with_list": COUNT,
                    "fresh": or_null(
                        "integer", minimum=0, description="null: a setting is not valid"
                    ),
                    "empty": {**COUNT, "description": "Lists without an event"},
                    "median_age_seconds": or_null(
                        "number", minimum=0, description="null: no lists"
                    ),
                    "ages": array(
                        whole_object({"up_to_hours": or_null("integer"), "lists": COUNT}),
                        description="How many lists are that old; a span begins where the one"
                        " before ends, and the last has no end (null)",
                    ),
                    "models": array(
                        whole_object({"model_version": TEXT_OR_NULL, "lists": COUNT}),
                        description="Which models wrote them, the most first",
                    ),
                }
            ),
            "coverage": whole_object(
                {
                    "eligible_events": {**COUNT, "description": "Events that may be recommended"},
                    "in_lists": {**COUNT, "description": "Those in somebody's list"},
                    "in_first_ten": {
                        **COUNT,
                        "description": "Those among the first ten of somebody's list",
                    },
                    "first_ten_share": or_null(
                        "number",
                        minimum=0,
                        maximum=1,
                        description="in_first_ten / eligible_events; null without any",
                    ),
                }
            ),
        }
    )


def _overview() -> Json:
    example = {
        "moment": "2026-11-30T12:00:00+00:00",
        "items": [
            {"area": "now", "item": "do first", "value": "nothing", "warning": None},
            {"area": "data", "item": "students", "value": "20,000", "warning": None},
        ],
        "lists": {
            "students": 20_000,
            "with_list": 20_000,
            "fresh": 19_982,
            "empty": 3,
            "median_age_seconds": 30_106.5,
            "ages": [
                {"up_to_hours": hours, "lists": lists}
                for hours, lists in (
                    *((1, 41), (6, 310), (12, 19_631), (24, 0), (48, 18), (168, 0)),
                    (None, 0),
                )
            ],
            "models": [{"model_version": "20261130-033012", "lists": 20_000}],
        },
        "coverage": {
            "eligible_events": 871,
            "in_lists": 871,
            "in_first_ten": 802,
            "first_ten_share": 0.92078,
        },
    }
    return admin_operation(
        "getOverview",
        "The status item by item, and the lists: how many, how old, what they cover",
        "The screen of `SELECT * FROM recommender.status` as it is, and counts of lists.",
        {
            "200": answer("How the recommender does", reference("Overview"), example),
            **faults("401", "403", "500", "503"),
        },
    )


def _variants_schema() -> Json:
    return whole_object(
        {
            "from": MOMENT,
            "to": MOMENT,
            "window_hours": {
                "type": "integer",
                "description": "How long after its click a registration counts",
            },
            "days": array(
                whole_object({"date": {"type": "string", "format": "date"}, **COUNTS}),
                description="Both variants on every UTC day, the earliest first",
            ),
            "totals": array(whole_object(COUNTS), description="Both variants"),
            "activations": array(
                whole_object({"activation_id": COUNT, "model_version": TEXT, **ACTIVATION}),
                description="The earliest first; of more than 500 the last",
            ),
            "evaluations": array(
                whole_object(
                    {
                        "evaluation_id": COUNT,
                        "evaluated_at": MOMENT,
                        "action": TEXT,
                        "reason": TEXT,
                    }
                ),
                description="What the guardrails decided, likewise",
            ),
        }
    )


def _variants() -> Json:
    example = {
        "from": "2026-11-30T00:00:00+00:00",
        "to": "2026-11-30T12:00:00+00:00",
        "window_hours": 72,
        "days": [{"date": "2026-11-30", **EXAMPLE_COUNTS}],
        "totals": [EXAMPLE_COUNTS],
        "activations": [
            {"activation_id": 9, "model_version": "20261130-033012", **EXAMPLE_ACTIVATION}
        ],
        "evaluations": [
            {
                "evaluation_id": 31,
                "evaluated_at": "2026-11-30T03:00:00+00:00",
                "action": "ok",
                "reason": "neither rate dropped by more than is allowed",
            }
        ],
    }
    return {
        **admin_operation(
            "getVariants",
            "Clicks and registrations of both sorts by day, with intervals",
            "Counted as the guardrails count: a registration is the conversion of the last click"
            " before it, and belongs to the day of that click, so that the last days may still"
            " gain some. The bounds are 95 % Wilson intervals; null where there is nothing to"
            " divide by, and where clicks outnumber impressions. They take every impression for a"
            " trial of its own: the guardrails' sequential test does not.",
            {
                "200": answer("The days, and all together", reference("Variants"), example),
                **faults("401", "403", "422", "500", "503"),
            },
        ),
        "parameters": [
            {
                "name": "days",
                "in": "query",
                "description": "How many UTC days, today included",
                "schema": {"type": "integer", "minimum": 1, "maximum": 90, "default": 14},
            }
        ],
    }


def _model_schema() -> Json:
    return whole_object(
        {
            "model_version": TEXT,
            "is_active": SWITCH,
            "can_activate": {**SWITCH, "description": "Whether `models/activate` would take it"},
            "trouble": or_null("string", description="Why not; null: it would"),
            "created_at": MOMENT,
            "feature_set": {
                "type": ["string", "null"],
                "enum": ["base", "extended", None],
                "description": "null: features this version does not compute",
            },
            "loss": NUMBER_OR_NULL,
            "held_out_loss": NUMBER_OR_NULL,
            "hitrate_at_10": SHARE_OR_NULL,
            "chance_at_10": SHARE_OR_NULL,
            "example_count": or_null("integer"),
            "against_popularity": or_null(
                "object",
                description="How much its lists beat popularity's by NDCG@10 on the newest window:"
                " difference, low, high, students",
            ),
            "recipe": or_null("object", description="What else the training noted, as it did"),
            "features": array(
                whole_object(
                    {
                        "feature": TEXT,
                        "label": LABEL,
                        "weight": {**NUMBER, "description": "In logit units"},
                        "standard_error": or_null("number", description="null: not noted"),
                        "previous_weight": or_null(
                            "number",
                            description="Of the model before its last activation; null: none",
                        ),
                    }
                ),
                description="In the model's order",
            ),
            "activation": or_null(
                "object",
                description="The last one; null: it never was",
                properties=ACTIVATION,
                required=list(ACTIVATION),
            ),
            "activation_count": COUNT,
        }
    )


def _models() -> Json:
    model = {
        "model_version": "20261130-033012",
        "is_active": True,
        "can_activate": True,
        "trouble": None,
        "created_at": "2026-11-30T03:30:12+00:00",
        "feature_set": "base",
        "loss": 0.46375,
        "held_out_loss": 0.45234,
        "hitrate_at_10": 0.5917,
        "chance_at_10": 0.19608,
        "example_count": 165_071,
        "against_popularity": {
            "difference": 0.22791,
            "low": 0.21017,
            "high": 0.2468,
            "students": 1270,
        },
        "recipe": {"solver": "newton", "l2": 0.001, "windows": 4, "window_days": 14, "seed": 1337},
        "features": [
            {
                "feature": "same_city",
                "label": "in the student's city",
                "weight": 0.51161,
                "standard_error": 0.01637,
                "previous_weight": 0.4871,
            }
        ],
        "activation": EXAMPLE_ACTIVATION,
        "activation_count": 1,
    }
    return admin_operation(
        "getModels",
        "What each model learned, how good it was, and whether it can score",
        "The newest hundred and the active one, the newest first.",
        {
            "200": answer(
                "The models",
                whole_object({"items": array(reference("Model"))}),
                {"items": [model]},
            ),
            **faults("401", "403", "500", "503"),
        },
    )
