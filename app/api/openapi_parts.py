"""The pieces OpenAPI documents of this API are put together from."""

from __future__ import annotations

from typing import Any

from app.api.parameters import MAX_ID

Json = dict[str, Any]


def answer(description: str, schema: Json, example: object, *, in_a_language: bool = False) -> Json:
    """Describe an answer in JSON with its example."""
    answer: Json = {
        "description": description,
        "content": {"application/json": {"schema": schema, "example": example}},
    }
    if in_a_language:
        answer["headers"] = {"Content-Language": header("The language of the reasons")}
    return answer


def faults(*statuses: str) -> Json:
    """Refer to the answers of these statuses that all routes share."""
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def header(description: str) -> Json:
    """Describe a header."""
    return {"description": description, "schema": {"type": "string"}}


def reference(schema: str) -> Json:
    """Refer to a schema."""
    return {"$ref": f"#/components/schemas/{schema}"}


def whole_object(properties: Json) -> Json:
    """Describe an object that always has all of its fields."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def or_null(type_name: str, **more: Any) -> Json:
    """Describe a field that may be null."""
    return {"type": [type_name, "null"], **more}


def id_field(description: str = "") -> Json:
    """Describe an id."""
    field: Json = {"type": "integer", "minimum": 1, "maximum": MAX_ID}
    return field | ({"description": description} if description else {})
