"""The part of the OpenAPI document that is the admins' desk: what its pages show."""

from __future__ import annotations

from app.api.openapi_admin import PATH, admin_operation, with_body
from app.api.openapi_parts import (
    Json,
    answer,
    faults,
    id_field,
    or_null,
    reference,
    whole_object,
)
from app.api.parameters import MAX_JOB_ID

TEXT: Json = {"type": "string"}
TEXT_OR_NULL = or_null("string")
NUMBER: Json = {"type": "number"}
NUMBER_OR_NULL = or_null("number")
COUNT: Json = {"type": "integer", "minimum": 0}
COUNT_OR_NULL = or_null("integer", minimum=0)
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
        f"{PATH}/guardrails": {"get": _guardrails()},
        f"{PATH}/jobs": {"get": _jobs()},
        f"{PATH}/jobs/{{job_id}}/retry": {"parameters": [_path_job()], "post": _retry()},
        f"{PATH}/students": {"get": _students()},
        f"{PATH}/students/{{id}}": {"parameters": [_path_student()], "get": _student()},
        f"{PATH}/students/{{id}}/events/{{event_id}}": {
            "parameters": [_path_student(), _path_id("event_id", "The event's id", 204)],
            "get": _explanation(),
        },
        f"{PATH}/students/{{id}}/preview": {"parameters": [_path_student()], "post": _preview()},
    }


def desk_schemas() -> Json:
    """Give what these routes answer."""
    return {
        "Overview": _overview_schema(),
        "Variants": _variants_schema(),
        "Model": _model_schema(),
        "Guardrails": _guardrails_schema(),
        "Queue": _queue_schema(),
        "RetriedJob": whole_object(
            {
                "job_id": COUNT,
                "job_type": TEXT,
                "status": {
                    "type": "string",
                    "enum": ["queued", "succeeded"],
                    "description": "succeeded: it was merged into one that waits already",
                },
                "merged_into": or_null("integer", description="That one's id; null: none"),
            }
        ),
        "StudentPage": _student_schema(),
        "Explanation": _explanation_schema(),
    }


def _path_id(name: str, description: str, example: int, schema: Json | None = None) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"{description}; what no id can be is answered 404",
        "schema": schema or id_field(),
        "example": example,
    }


def _path_student() -> Json:
    return _path_id("id", "The student's id", 373)


def _path_job() -> Json:
    schema = {"type": "integer", "minimum": 1, "maximum": MAX_JOB_ID}
    return _path_id("job_id", "The job's id", 812, schema)


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


EVALUATION: Json = {
    "evaluation_id": COUNT,
    "evaluated_at": MOMENT,
    "action": {**TEXT, "description": "The decision"},
    "reason": TEXT,
    "model_version": or_null("string", description="The model that was judged; null: none"),
    "target_version": or_null("string", description="What it went back to; null: nothing"),
    "rescore_job_id": or_null("integer"),
    "method": {"type": "string", "enum": ["ratio", "sequential"]},
    "days": COUNT,
    "min_impressions": COUNT,
    "ctr_drop_ratio": NUMBER,
    "conversion_drop_ratio": NUMBER,
    "click_to_register_window_hours": COUNT,
    "window_from": or_null(
        "string", format="date-time", description="null: switched off, nothing was counted"
    ),
    "window_to": MOMENT_OR_NULL,
    **{
        f"{sort}_{count}": COUNT_OR_NULL
        for sort in ("recommended", "time")
        for count in ("impressions", "clicks", "conversions")
    },
    **{
        f"{sort}_{rate}": or_null("number", description="null: nothing to divide by")
        for sort in ("recommended", "time")
        for rate in ("ctr", "conversion")
    },
    "ctr_ok": or_null("boolean", description="null: not compared"),
    "conversion_ok": or_null("boolean"),
    "statistics": or_null("object", description="Of method sequential"),
    "replayed_verdict": {**TEXT, "description": "The judgement from these numbers, made again"},
}
EXAMPLE_EVALUATION: Json = {
    "evaluation_id": 31,
    "evaluated_at": "2026-11-30T03:00:00+00:00",
    "action": "ok",
    "reason": "neither rate dropped by more than is allowed",
    "model_version": "20261129-033009",
    "target_version": None,
    "rescore_job_id": None,
    "method": "ratio",
    "days": 7,
    "min_impressions": 200,
    "ctr_drop_ratio": 0.5,
    "conversion_drop_ratio": 0.5,
    "click_to_register_window_hours": 72,
    "window_from": "2026-11-23T03:00:00+00:00",
    "window_to": "2026-11-30T03:00:00+00:00",
    "recommended_impressions": 400,
    "recommended_clicks": 60,
    "recommended_conversions": 12,
    "time_impressions": 400,
    "time_clicks": 50,
    "time_conversions": 10,
    "recommended_ctr": 0.15,
    "recommended_conversion": 0.2,
    "time_ctr": 0.125,
    "time_conversion": 0.2,
    "ctr_ok": True,
    "conversion_ok": True,
    "statistics": None,
    "replayed_verdict": "ok",
}


def _guardrails_schema() -> Json:
    return whole_object(
        {
            "settings": whole_object(
                {
                    "enabled": or_null("boolean"),
                    "method": or_null("string"),
                    "days": COUNT_OR_NULL,
                    "min_impressions": COUNT_OR_NULL,
                    "ctr_drop_ratio": NUMBER_OR_NULL,
                    "conversion_drop_ratio": NUMBER_OR_NULL,
                    "click_to_register_window_hours": COUNT_OR_NULL,
                    "cooldown_hours": COUNT_OR_NULL,
                }
            )
            | {"description": "PERSONALIZATION_GUARDRAILS_…; null: the value is not valid"},
            "evidence_from": or_null(
                "string",
                format="date-time",
                description="The last rollback or manual activation: traffic before it does not"
                " count; null: there was none",
            ),
            "items": array(whole_object(EVALUATION), description="The newest hundred first"),
        }
    )


def _guardrails() -> Json:
    example = {
        "settings": {
            "enabled": True,
            "method": "ratio",
            "days": 7,
            "min_impressions": 200,
            "ctr_drop_ratio": 0.5,
            "conversion_drop_ratio": 0.5,
            "click_to_register_window_hours": 72,
            "cooldown_hours": 24,
        },
        "evidence_from": None,
        "items": [EXAMPLE_EVALUATION],
    }
    return admin_operation(
        "getGuardrails",
        "What the guardrails decided, and the numbers behind each decision",
        "The rows of `recommender.guardrails` with the counts and thresholds of each.",
        {
            "200": answer("Settings and evaluations", reference("Guardrails"), example),
            **faults("401", "403", "500", "503"),
        },
    )


def _queue_schema() -> Json:
    job = {
        "id": COUNT,
        "job_type": TEXT,
        "status": {"type": "string", "enum": ["queued", "running", "succeeded", "failed"]},
        "can_retry": {**SWITCH, "description": "Whether `jobs/{job_id}/retry` would take it"},
        "payload": {"description": "What the job was asked to do"},
        "due_in_seconds": or_null("number", description="null: due, or not waiting"),
        "waiting_for_seconds": or_null("number", description="null: not queued"),
        "silent_for_seconds": or_null(
            "number", description="Since its worker last said that it lives; null: not running"
        ),
        "attempts": COUNT,
        "max_attempts": COUNT,
        "worker": TEXT_OR_NULL,
        "last_error": TEXT_OR_NULL,
        "what_to_do": {**TEXT, "description": "In plain words"},
        "created_at": MOMENT,
        "finished_at": MOMENT_OR_NULL,
        "result": {"description": "What the job said of itself; null: nothing"},
    }
    entry = {
        "name": TEXT,
        "cron": {**TEXT, "description": "Five fields, UTC"},
        "command": TEXT,
        "is_enabled": SWITCH,
        "last_run_at": MOMENT_OR_NULL,
        "next_run_at": MOMENT_OR_NULL,
        "last_result": {"description": "What it gave; null: nothing"},
        "last_error": TEXT_OR_NULL,
        "missed_count": or_null("integer"),
        "description": TEXT_OR_NULL,
    }
    return whole_object(
        {
            "queue_enabled": or_null("boolean", description="null: the setting is not valid"),
            "jobs": array(
                whole_object(job),
                description="Those that run, wait, failed, or succeeded in the last hour: the"
                " first 200",
            ),
            "schedule": array(whole_object(entry)),
        }
    )


def _jobs() -> Json:
    example = {
        "queue_enabled": True,
        "jobs": [
            {
                "id": 812,
                "job_type": "recompute_recommendations_ml",
                "status": "failed",
                "can_retry": True,
                "payload": {"top_n": 50},
                "due_in_seconds": None,
                "waiting_for_seconds": None,
                "silent_for_seconds": None,
                "attempts": 3,
                "max_attempts": 3,
                "worker": None,
                "last_error": "no positives to learn from",
                "what_to_do": "read last_error, mend that, then: SELECT recommender.retry_job(812)",
                "created_at": "2026-11-30T03:30:00+00:00",
                "finished_at": "2026-11-30T03:41:07+00:00",
                "result": None,
            }
        ],
        "schedule": [
            {
                "name": "stale_jobs",
                "cron": "* * * * *",
                "command": "SELECT jsonb_build_object('handed_back', …)",
                "is_enabled": True,
                "last_run_at": "2026-11-30T11:59:00+00:00",
                "next_run_at": "2026-11-30T12:00:00+00:00",
                "last_result": '{"handed_back": 0}',
                "last_error": None,
                "missed_count": 0,
                "description": "Take jobs away from workers that are silent",
            }
        ],
    }
    return admin_operation(
        "getJobs",
        "The queue and the schedule, and what there is to do about each",
        "The rows of `recommender.queue` and `recommender.schedule`.",
        {
            "200": answer("Jobs and schedule", reference("Queue"), example),
            **faults("401", "403", "500", "503"),
        },
    )


def _retry() -> Json:
    job = {
        "job_id": 812,
        "job_type": "recompute_recommendations_ml",
        "status": "queued",
        "merged_into": None,
    }
    return admin_operation(
        "retryJob",
        "Give a failed job another chance",
        "It starts over, with all its attempts.",
        {
            "200": answer("The job", reference("RetriedJob"), job),
            **faults("401", "403", "404", "409", "413", "500", "503"),
        },
    )


LIST: Json = {
    "model_version": TEXT_OR_NULL,
    "generated_at": MOMENT_OR_NULL,
    "item_count": COUNT_OR_NULL,
}
EXAMPLE_LIST: Json = {
    "model_version": "20261130-033012",
    "generated_at": "2026-11-30T03:31:40+00:00",
    "item_count": 50,
}


def _students() -> Json:
    item = {
        "id": 373,
        "full_name": "Ana Pop",
        "email": "ana@example.org",
        "city": "Cluj-Napoca",
        "is_active": True,
        **EXAMPLE_LIST,
    }
    schema = whole_object(
        {
            "items": array(
                whole_object(
                    {
                        "id": id_field(),
                        "full_name": TEXT_OR_NULL,
                        "email": TEXT_OR_NULL,
                        "city": TEXT_OR_NULL,
                        "is_active": SWITCH,
                        **LIST,
                    }
                ),
                maxItems=50,
            ),
            "has_more": {**SWITCH, "description": "Whether there are more than these"},
        }
    )
    return {
        **admin_operation(
            "getStudents",
            "Students by name, e-mail or id",
            "The first fifty by id, who has the id searched for before all. Of their lists:"
            " null is no list.",
            {
                "200": answer("The students", schema, {"items": [item], "has_more": False}),
                **faults("401", "403", "422", "500", "503"),
            },
        ),
        "parameters": [
            {
                "name": "search",
                "in": "query",
                "description": "Text that the name or the e-mail contains, or an id",
                "schema": {"type": "string", "maxLength": 200, "default": ""},
            }
        ],
    }


FEATURE: Json = {"feature": TEXT, "label": LABEL}


def _student_schema() -> Json:
    return whole_object(
        {
            "id": id_field(),
            "full_name": TEXT_OR_NULL,
            "email": TEXT_OR_NULL,
            "city": TEXT_OR_NULL,
            "language": TEXT_OR_NULL,
            "is_active": SWITCH,
            "created_at": MOMENT_OR_NULL,
            "bucket": {"type": "integer", "minimum": 0, "maximum": 99},
            "variant": {**SORT, "description": "The sort of the events list who asks for none"},
            "list": or_null(
                "object",
                description="null: none",
                properties={**LIST, "is_fresh": SWITCH},
                required=[*LIST, "is_fresh"],
            ),
            "profile": array(
                whole_object(
                    {
                        **FEATURE,
                        "attribute": TEXT,
                        "name": {**TEXT, "description": "The attribute as people write it"},
                        "weight": NUMBER,
                        "sources": array(TEXT, description="Why it is there"),
                        "score": or_null("number", description="Before it is halved with age"),
                        "last_seen_at": MOMENT_OR_NULL,
                    }
                ),
                description="The rows of `recommender.student(id)`",
            ),
            "items": array(
                whole_object(
                    {
                        "place": COUNT,
                        "rank": or_null("integer", description="null: not from the list"),
                        "event_id": id_field(),
                        "title": TEXT,
                        "start_time": MOMENT,
                        "source": {"type": "string", "enum": ["list", "tags", "popular"]},
                        "score": or_null("number", description="As the list has it"),
                        "reason": TEXT_OR_NULL,
                    }
                ),
                description="What the student is shown now: twenty places",
            ),
            "model_version": or_null("string", description="The model that scores"),
            "trouble": or_null("string", description="Why none does; null: one does"),
            "weights": array(
                whole_object(
                    {
                        **FEATURE,
                        "weight": NUMBER,
                        "standard_error": NUMBER_OR_NULL,
                        "previous_weight": {"type": "null"},
                    }
                ),
                description="Of that model",
            ),
            "interactions": array(
                whole_object(
                    {
                        "occurred_at": MOMENT,
                        "interaction_type": TEXT,
                        "event_id": or_null("integer"),
                        "title": or_null("string", description="null: the event is deleted"),
                        "meta": {"description": "As it was sent"},
                    }
                ),
                description="The last twenty but impressions, the latest first",
            ),
            "hidden_tags": array(reference("Tag")),
            "blocked_organizers": array(reference("Organizer")),
        }
    )


def _student() -> Json:
    example = {
        "id": 373,
        "full_name": "Ana Pop",
        "email": "ana@example.org",
        "city": "Cluj-Napoca",
        "language": "en",
        "is_active": True,
        "created_at": "2026-06-10T08:49:43+00:00",
        "bucket": 17,
        "variant": "recommended",
        "list": {**EXAMPLE_LIST, "is_fresh": True},
        "profile": [
            {
                "feature": "overlap_interest_ratio",
                "label": "tags of interest",
                "attribute": "painting workshop",
                "name": "Painting workshop",
                "weight": 1,
                "sources": ["interest"],
                "score": None,
                "last_seen_at": None,
            }
        ],
        "items": [
            {
                "place": 1,
                "rank": 1,
                "event_id": 204,
                "title": "Painting workshop at the old mill",
                "start_time": "2026-12-04T17:00:00+00:00",
                "source": "list",
                "score": 0.79994,
                "reason": "Your interests: Painting workshop",
            }
        ],
        "model_version": "20261130-033012",
        "trouble": None,
        "weights": [
            {
                "feature": "same_city",
                "label": "in the student's city",
                "weight": 0.51161,
                "standard_error": 0.01637,
                "previous_weight": None,
            }
        ],
        "interactions": [
            {
                "occurred_at": "2026-11-28T00:01:54+00:00",
                "interaction_type": "click",
                "event_id": 204,
                "title": "Painting workshop at the old mill",
                "meta": {"source": "events_list", "sort": "recommended", "position": 0},
            }
        ],
        "hidden_tags": [{"id": 7, "name": "karaoke"}],
        "blocked_organizers": [],
    }
    return admin_operation(
        "getStudent",
        "A student: profile and where it comes from, what is shown, what was done last",
        "Students whose account is inactive have lists, too; only the API refuses them.",
        {
            "200": answer("The student", reference("StudentPage"), example),
            **faults("401", "403", "404", "500", "503"),
        },
    )


def _explanation_schema() -> Json:
    return whole_object(
        {
            "event_id": id_field(),
            "title": or_null("string", description="null: the event is deleted"),
            "model_version": or_null("string", description="The model that scores"),
            "trouble": or_null("string", description="Why there is no score; null: there is"),
            "score": SHARE_OR_NULL,
            "logit": or_null("number", description="The sum of the contributions"),
            "features": array(
                whole_object(
                    {
                        **FEATURE,
                        "value": NUMBER,
                        "weight": NUMBER,
                        "contribution": {**NUMBER, "description": "value * weight"},
                    }
                ),
                description="In the model's order",
            ),
            "checks": array(
                whole_object(
                    {
                        "check_name": TEXT,
                        "passed": or_null("boolean", description="null: it only tells"),
                        "detail": TEXT,
                    }
                ),
                description="The rows of `recommender.why_not(id, event_id)`; the last is the"
                " verdict",
            ),
        }
    )


def _explanation() -> Json:
    example = {
        "event_id": 204,
        "title": "Painting workshop at the old mill",
        "model_version": "20261130-033012",
        "trouble": None,
        "score": 0.62518,
        "logit": 0.51161,
        "features": [
            {
                "feature": "same_city",
                "label": "in the student's city",
                "value": 1,
                "weight": 0.51161,
                "contribution": 0.51161,
            }
        ],
        "checks": [
            {"check_name": "account", "passed": True, "detail": "the account is active"},
            {"check_name": "shown", "passed": True, "detail": "yes: place 1, from the list"},
        ],
    }
    return admin_operation(
        "explainEvent",
        "Why an event stands where it does for a student, and whether it is shown",
        "What `recommender.explain` and `recommender.why_not` say.",
        {
            "200": answer("The explanation", reference("Explanation"), example),
            **faults("401", "403", "404", "500", "503"),
        },
    )


def _preview() -> Json:
    schema = whole_object(
        {
            "model_version": TEXT,
            "items": array(
                whole_object(
                    {
                        "event_id": id_field(),
                        "title": TEXT,
                        "old_rank": COUNT,
                        "new_rank": COUNT,
                        "old_score": NUMBER,
                        "new_score": NUMBER,
                    }
                ),
                description="By new_rank: what is among the first twenty with either weights",
            ),
        }
    )
    example = {
        "model_version": "20261130-033012",
        "items": [
            {
                "event_id": 204,
                "title": "Painting workshop at the old mill",
                "old_rank": 3,
                "new_rank": 1,
                "old_score": 0.79761,
                "new_score": 0.91275,
            }
        ],
    }
    operation = with_body(
        admin_operation(
            "previewWeights",
            "Where events would stand for a student by other weights",
            "What `recommender.preview_weights` says; nothing is stored. Weights that are not given"
            " are those of the model that scores, and without one it is a 409.",
            {"200": answer("The events", schema, example)},
        ),
        {
            "weights": or_null(
                "object",
                description="By feature of the model that scores",
                additionalProperties=or_null("number", minimum=-1_000_000, maximum=1_000_000),
            )
        },
        {"weights": {"same_city": 1.5}},
    )
    return {**operation, "responses": {**operation["responses"], **faults("404")}}
