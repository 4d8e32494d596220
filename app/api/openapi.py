"""The OpenAPI 3.1 document of the API: every route, what it takes and every answer it gives."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from importlib.metadata import version

from app.api.openapi_admin import admin_paths, admin_schemas
from app.api.openapi_desk import desk_paths, desk_schemas
from app.api.openapi_parts import (
    Json,
    answer,
    faults,
    header,
    id_field,
    or_null,
    reference,
    whole_object,
)
from app.api.parameters import MAX_ID, MAX_TAGS, EventQuery
from app.api.problems import TITLES

DESCRIPTION = """\
Personalized event recommendations out of PostgreSQL.

Who asks is told by a bearer token: a JWT signed with HS256 and the server's `SECRET_KEY`, whose
claims `sub` (the user id) and `exp` are required. A token that is wrong is a 401 on every route
under `/api/`, also where none is needed.

Every error is an `application/problem+json` object (RFC 9457). Besides those listed, a path that
does not exist is answered 404, a method that a path does not take 405, a body larger than
`MAX_BODY_BYTES` 413, a chunked one that does not arrive 408, and more than 64 KiB of request line
and headers 431. Only what is no HTTP, and the preflight of an origin that is not in
`CORS_ORIGINS`, get a 400 in plain text.

Reasons are in the student's language, else in the best of `Accept-Language`, else in English.
"""

TEXT_WITHOUT_NUL = r"^[^\u0000]*$"
INSTANT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
TAG_LIST = rf"^[^,\u0000]{{0,100}}(,[^,\u0000]{{0,100}}){{0,{MAX_TAGS - 1}}}$"

EXAMPLE_EVENT: Json = {
    "id": 204,
    "title": "Painting workshop at the old mill",
    "description": "Bring nothing but time; paper and colours are there.",
    "category": "Arts",
    "start_time": "2026-12-04T17:00:00+00:00",
    "end_time": "2026-12-04T19:00:00+00:00",
    "city": "Cluj-Napoca",
    "location": "The old mill",
    "max_seats": 40,
    "cover_url": None,
    "owner_id": 12,
    "owner_name": "Open Studio",
    "tags": [{"id": 7, "name": "painting workshop"}, {"id": 9, "name": "street art"}],
    "seats_taken": 22,
    "recommendation_reason": "Your interests: painting workshop",
    "status": "published",
    "publish_at": None,
}

EXAMPLE_INTERACTIONS: list[Json] = [
    {
        "interaction_type": "click",
        "event_id": 204,
        "occurred_at": "2026-12-01T18:30:00Z",
        "client_id": "0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c11",
        "meta": {"source": "events_list", "sort": "recommended", "position": 3},
    },
    {"interaction_type": "dwell", "event_id": 204, "meta": {"seconds": 42}},
    {"interaction_type": "search", "meta": {"tags": ["street art"], "city": "Cluj-Napoca"}},
]
INTERACTION_TYPES = {
    "impression": "The event was shown in a list",
    "click": "The event was clicked on in a list",
    "view": "The event's page was opened",
    "dwell": "The event's page was looked at for `meta.seconds`",
    "share": "The event was shared",
    "favorite": "The event was marked as a favourite",
    "register": "The student registered for the event",
    "unregister": "The student took the registration back",
    "search": "A search, without `event_id`; `meta` has what was searched for",
    "filter": "A filter that was set, likewise",
}


@cache
def openapi_document() -> Json:
    """Build the document; treat it as constant."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "eventrank",
            "version": version("eventrank"),
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [
            {"name": "events", "description": "What there is, and what is recommended"},
            {"name": "personalization", "description": "What a student does not want to see"},
            {"name": "telemetry", "description": "What people did: it is stored, and learned from"},
            {"name": "admin", "description": "For people who run the recommender"},
            {"name": "operations", "description": "For monitoring and for people who build"},
        ],
        "paths": {
            "/api/recommendations": {"get": _recommendations()},
            "/api/events": {"get": _events()},
            "/api/me/personalization": {"get": _personalization()},
            **_exclusion("hidden-tags", "tag", "Tag"),
            **_exclusion("blocked-organizers", "organizer", "Organizer"),
            "/api/analytics/interactions": {"post": _interactions()},
            **admin_paths(),
            **desk_paths(),
            **_operations(),
        },
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "scripts/issue_token.py makes one",
                }
            },
            "schemas": _schemas(),
            "responses": _responses(),
        },
    }


def _recommendations() -> Json:
    return {
        "operationId": "getRecommendations",
        "tags": ["events"],
        "summary": "What a student is shown, best first",
        "description": "Events of the student's list while it is fresh, then those that share tags"
        " with interests and history, then popular ones: never one that has started, is full, that"
        " the student is registered for or does not want to see, and as many as ten while there"
        " are.",
        "security": [{"bearer": []}],
        "parameters": [_accept_language()],
        "responses": {
            "200": answer(
                "At most ten events, none twice",
                {
                    "type": "array",
                    "maxItems": 10,
                    "items": reference("RecommendedEvent"),
                },
                [EXAMPLE_EVENT],
                in_a_language=True,
            ),
            **faults("401", "403", "500", "503"),
        },
    }


def _events() -> Json:
    page = {"items": [EXAMPLE_EVENT], "total": 1, "page": 1, "page_size": 20, "sort": "recommended"}
    return {
        "operationId": "getEvents",
        "tags": ["events"],
        "summary": "The events that match, a page at a time",
        "description": "Published events, without a student's hidden tags and blocked organizers."
        " `sort` changes their order and nothing else: recommended ones come first, the rest"
        " follows by time. Whoever is no student with a fresh list is served by time. Unknown"
        " parameters are ignored, and a blank one counts as not given.",
        "security": [{}, {"bearer": []}],
        "parameters": [*_query_parameters(), _accept_language()],
        "responses": {
            "200": answer("One page of them", reference("EventPage"), page, in_a_language=True),
            **faults("401", "403", "422", "500", "503"),
        },
    }


def _query_parameters() -> list[Json]:
    """Write the fields of EventQuery as parameters, and tags_csv beside tags."""
    parameters = []
    for name, field in EventQuery.model_json_schema()["properties"].items():
        description = field.pop("description")
        schema: Json = field["anyOf"][0] if "anyOf" in field else field
        schema.pop("title", None)
        for text in (schema, schema.get("items", {})):
            if "maxLength" in text:
                text["pattern"] = TEXT_WITHOUT_NUL
        parameters.append(_query_parameter(name, description, schema))
        if name == "tags":
            parameters.append(
                _query_parameter(
                    "tags_csv",
                    f"More tags, separated by commas; {MAX_TAGS} with those of tags, at most",
                    {"type": "string", "pattern": TAG_LIST},
                )
            )
    return parameters


def _query_parameter(name: str, description: str, schema: Json) -> Json:
    parameter: Json = {"name": name, "in": "query", "description": description, "schema": schema}
    if schema["type"] == "array":
        parameter |= {"style": "form", "explode": True}
    return parameter


def _accept_language() -> Json:
    return {
        "name": "Accept-Language",
        "in": "header",
        "description": "Languages for the reasons where the account names none: ro, en;q=0.5",
        "schema": {"type": "string"},
    }


def _personalization() -> Json:
    return {
        "operationId": "getPersonalization",
        "tags": ["personalization"],
        "summary": "The tags a student hides and the organizers a student blocks",
        "security": [{"bearer": []}],
        "responses": {
            "200": answer(
                "Both lists",
                reference("Personalization"),
                {
                    "hidden_tags": [{"id": 9, "name": "street art"}],
                    "blocked_organizers": [
                        {"id": 12, "org_name": "Open Studio", "full_name": "Ana Pop"}
                    ],
                },
            ),
            **faults("401", "403", "500", "503"),
        },
    }


def _exclusion(path: str, noun: str, schema: str) -> Json:
    verbs = ("Hide", "Show") if noun == "tag" else ("Block", "Unblock")
    example: Json = (
        {"id": 9, "name": "street art"}
        if noun == "tag"
        else {"id": 12, "org_name": "Open Studio", "full_name": "Ana Pop"}
    )
    shared = faults("401", "403", "404", "413", "500", "503")

    def operation(verb: str, answers: Json) -> Json:
        return {
            "operationId": f"{verb.lower()}{noun.capitalize()}",
            "tags": ["personalization"],
            "summary": f"{verb} {'an' if noun == 'organizer' else 'a'} {noun}"
            + (" again" if verb == "Show" else ""),
            "description": "Repeating it is harmless. It counts from the next answer on.",
            "security": [{"bearer": []}],
            "responses": {**answers, **shared},
        }

    return {
        f"/api/me/personalization/{path}/{{id}}": {
            "parameters": [
                {
                    "name": "id",
                    "in": "path",
                    "required": True,
                    "description": f"The {noun}'s id; what no id can be is answered 404",
                    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
                    "example": example["id"],
                }
            ],
            "post": operation(
                verbs[0],
                {"201": answer(f"The {noun}, left out from now on", reference(schema), example)},
            ),
            "delete": operation(
                verbs[1], {"204": {"description": f"The {noun} is not left out (any more)"}}
            ),
        }
    }


def _interactions() -> Json:
    counts = {
        "Interactions-Stored": "Interactions stored by this request",
        "Interactions-Repeated": "Interactions left out: their client_id was stored before",
        "Interactions-Dropped": "Interactions left out: their event is unknown or deleted",
    }
    return {
        "operationId": "recordInteractions",
        "tags": ["telemetry"],
        "summary": "Tell what somebody saw and did",
        "description": "All of a batch is stored, learned from and counted, or nothing of it."
        " Without a token it is a visitor's. The body is JSON whatever Content-Type says, for"
        " `navigator.sendBeacon` sends text/plain. Unknown fields are ignored. Requests are counted"
        " a user, a visitor's by address (IPv6: by /64 network):"
        " `ANALYTICS_RATE_LIMIT` in `ANALYTICS_RATE_WINDOW_SECONDS`.",
        "security": [{}, {"bearer": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": reference("Batch"),
                    "example": {"events": EXAMPLE_INTERACTIONS},
                }
            },
        },
        "responses": {
            "204": {
                "description": "Done; without the headers nothing was stored, for ANALYTICS_ENABLED"
                " is false",
                "headers": {
                    name: {"description": meaning, "schema": {"type": "integer", "minimum": 0}}
                    for name, meaning in counts.items()
                },
            },
            **faults("401", "403", "408", "413"),
            "422": {"$ref": "#/components/responses/422-interactions"},
            **faults("429", "500", "503"),
        },
    }


def _operations() -> Json:
    def operation(name: str, summary: str, responses: Json) -> Json:
        return {
            "get": {
                "operationId": name,
                "tags": ["operations"],
                "summary": summary,
                "security": [],
                "responses": responses,
            }
        }

    def page(description: str, media_type: str, schema: Json) -> Json:
        return {"200": {"description": description, "content": {media_type: {"schema": schema}}}}

    text = {"type": "string"}
    ready = {
        "status": "ready",
        "database": "reachable",
        "migrations": "current",
        "active_model_version": "20261123-010203",
        "reason": None,
    }
    return {
        "/healthz": operation(
            "getHealth",
            "Whether the server runs; the database is not asked",
            {"200": answer("It does", reference("Health"), {"status": "ok"})},
        ),
        "/readyz": operation(
            "getReadiness",
            "Whether the database can be served from",
            {
                "200": answer("It can", reference("Readiness"), ready),
                **faults("503"),
            },
        ),
        "/metrics": operation(
            "getMetrics", "Numbers for Prometheus", page("Its text format", "text/plain", text)
        ),
        "/openapi.json": operation(
            "getOpenapi",
            "This document",
            page("OpenAPI 3.1", "application/json", {"type": "object"}),
        ),
        "/docs": operation(
            "getDocs", "This document for people", page("A page", "text/html", text)
        ),
    }


def _schemas() -> Json:
    reason = {
        "type": ["string", "null"],
        "description": "Why it is recommended, for a reader; null where it is not",
    }
    event = whole_object(
        {
            "id": id_field(),
            "title": {"type": "string"},
            "description": or_null("string"),
            "category": or_null("string"),
            "start_time": {"type": "string", "format": "date-time"},
            "end_time": or_null("string", format="date-time"),
            "city": or_null("string"),
            "location": or_null("string"),
            "max_seats": or_null(
                "integer", minimum=0, description="How many may register; null is no limit"
            ),
            "cover_url": or_null("string"),
            "owner_id": id_field("The organizer"),
            "owner_name": or_null(
                "string", description="The organizer's organisation, else full name"
            ),
            "tags": {"type": "array", "items": reference("Tag")},
            "seats_taken": {"type": "integer", "minimum": 0},
            "recommendation_reason": reason,
            "status": {"type": "string"},
            "publish_at": or_null(
                "string", format="date-time", description="When it became known; null is at once"
            ),
        }
    )
    return {
        "Event": event,
        "RecommendedEvent": {
            "allOf": [
                reference("Event"),
                {"type": "object", "properties": {"recommendation_reason": {"type": "string"}}},
            ]
        },
        "EventPage": whole_object(
            {
                "items": {"type": "array", "maxItems": 100, "items": reference("Event")},
                "total": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Events that match, on all pages",
                },
                "page": {"type": "integer", "minimum": 1},
                "page_size": {"type": "integer", "minimum": 1, "maximum": 100},
                "sort": {
                    "type": "string",
                    "enum": ["time", "recommended"],
                    "description": "The order they are in, whatever was asked for",
                },
            }
        ),
        "Tag": whole_object({"id": id_field(), "name": {"type": "string"}}),
        "Organizer": whole_object(
            {"id": id_field(), "org_name": or_null("string"), "full_name": or_null("string")}
        ),
        "Personalization": whole_object(
            {
                "hidden_tags": {"type": "array", "items": reference("Tag")},
                "blocked_organizers": {"type": "array", "items": reference("Organizer")},
            }
        ),
        "Batch": whole_object(
            {
                "events": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 100,
                    "items": reference("Interaction"),
                }
            }
        ),
        "Interaction": _interaction(),
        "Health": whole_object({"status": {"type": "string", "enum": ["ok"]}}),
        "Readiness": whole_object(
            {
                "status": {"type": "string", "enum": ["ready"]},
                "database": {"type": "string", "enum": ["reachable"]},
                "migrations": {"type": "string", "enum": ["current"]},
                "active_model_version": or_null("string"),
                "reason": or_null(
                    "string", description="What serves instead while no model is active"
                ),
            }
        ),
        "Problem": whole_object(_problem_fields()),
        "InvalidParameters": whole_object(
            {
                **_problem_fields(),
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "description": "Every parameter that is wrong",
                    "items": whole_object(
                        {
                            "parameter": {"type": "string"},
                            "detail": {"type": "string"},
                            "value": {
                                "type": "string",
                                "maxLength": 80,
                                "description": "What was given, shortened",
                            },
                        }
                    ),
                },
            }
        ),
        **admin_schemas(),
        **desk_schemas(),
        "InvalidBody": whole_object(
            {
                **_problem_fields(),
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "description": "Everything that is wrong",
                    "items": {
                        "type": "object",
                        "properties": {
                            "field": or_null("string", description="null: the body itself"),
                            "detail": {"type": "string", "description": "What was expected"},
                        },
                        "required": ["field", "detail"],
                    },
                },
            }
        ),
        "InvalidBatch": whole_object(
            {
                **_problem_fields(),
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "description": "Everything that is wrong; of what JSON or PostgreSQL cannot"
                    " hold, the first",
                    "items": whole_object(
                        {
                            "index": or_null(
                                "integer",
                                minimum=0,
                                description="The interaction's place in events, from 0; null: the"
                                " batch",
                            ),
                            "field": or_null(
                                "string",
                                maxLength=80,
                                description="The field of the interaction, or of the body; null:"
                                " itself",
                            ),
                            "detail": {"type": "string", "description": "What was expected"},
                        }
                    ),
                },
            }
        ),
    }


def _interaction() -> Json:
    fields: Json = {
        "interaction_type": {
            "type": "string",
            "enum": list(INTERACTION_TYPES),
            "description": "What was done",
        },
        "event_id": or_null(
            "integer",
            minimum=1,
            maximum=MAX_ID,
            description="The event it was done with; one that is unknown or deleted drops the"
            " interaction",
        ),
        "occurred_at": or_null(
            "string",
            format="date-time",
            maxLength=40,
            pattern=INSTANT,
            description="When, with its offset from UTC; clamped to the 7 days before the request"
            " and 5 minutes after. Missing: now",
        ),
        "meta": or_null(
            "object",
            description="More about it: at most 4096 bytes as PostgreSQL writes it and 5 levels of"
            " objects and arrays, numbers within double precision, no NUL in text",
        ),
        "client_id": or_null(
            "string",
            format="uuid",
            pattern=UUID,
            description="An id made by the client. Sent again by the same user within 7 days, the"
            " interaction is not stored a second time",
        ),
    }
    return {"type": "object", "properties": fields, "required": ["interaction_type"]}


def _problem_fields() -> Json:
    return {
        "type": {"type": "string", "enum": ["about:blank"]},
        "title": {"type": "string", "description": "The phrase of the status"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, for a person"},
    }


def _responses() -> Json:
    def problem(status: int, description: str, detail: str, headers: Json | None = None) -> Json:
        return {
            "description": description,
            **({"headers": headers} if headers else {}),
            "content": {
                "application/problem+json": {
                    "schema": reference("Problem"),
                    "example": {
                        "type": "about:blank",
                        "title": TITLES.get(status) or HTTPStatus(status).phrase,
                        "status": status,
                        "detail": detail,
                    },
                }
            },
        }

    invalid = problem(
        422,
        "Parameters are wrong; each is named",
        "these parameters are wrong: page",
    )
    content = invalid["content"]["application/problem+json"]
    content["schema"] = reference("InvalidParameters")
    content["example"]["errors"] = [
        {
            "parameter": "page",
            "detail": "expected a whole number from 1 to 1000000000",
            "value": "-1",
        }
    ]
    invalid_batch = problem(
        422,
        "Interactions are wrong; each is named by index and field",
        "events[2].event_id: expected an integer from 1 to 2147483647",
    )
    content = invalid_batch["content"]["application/problem+json"]
    content["schema"] = reference("InvalidBatch")
    content["example"]["errors"] = [
        {
            "index": 2,
            "field": "event_id",
            "detail": "expected an integer from 1 to 2147483647",
        }
    ]
    invalid_body = problem(
        422,
        "The body is wrong; each field is named",
        "days: expected an integer from 1 to 365",
    )
    content = invalid_body["content"]["application/problem+json"]
    content["schema"] = reference("InvalidBody")
    content["example"]["errors"] = [
        {"field": "days", "detail": "expected an integer from 1 to 365"}
    ]
    return {
        "401": problem(
            401,
            "No token where one is needed, or a token that is not valid (any more)",
            "the token has expired",
            {"WWW-Authenticate": header("Bearer, with the error where a token was sent")},
        ),
        "403": problem(
            403,
            "The account is not active, or has not the role that is needed",
            "this account is not active",
        ),
        "404": problem(404, "There is nothing with this id", "there is no tag with this id"),
        "408": problem(
            408,
            "The body did not arrive in time; the connection is closed",
            "the body did not arrive within 10 seconds",
        ),
        "413": problem(
            413,
            "The body is larger than MAX_BODY_BYTES",
            "a body may have 2097152 bytes at most",
        ),
        "409": problem(
            409,
            "What is asked for cannot be done as things are",
            "the task queue is switched off: TASK_QUEUE_ENABLED is false",
        ),
        "422": invalid,
        "422-body": invalid_body,
        "422-interactions": invalid_batch,
        "429": problem(
            429,
            "More requests than ANALYTICS_RATE_LIMIT in the current window",
            "too many requests: the next one is taken in 42 seconds",
            {"Retry-After": header("Seconds until the window ends")},
        ),
        "500": problem(
            500,
            "A mistake of the server's, which its log explains",
            "the request failed in the database; the server's log says why",
        ),
        "503": problem(
            503,
            "The database is away, too slow, read-only, or of another version",
            "the database cannot be reached at the moment",
            {"Retry-After": header("Seconds after which to try again")},
        ),
    }
