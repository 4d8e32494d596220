"""docs/http-api.md says what the code does: its tables are written from it, its JSON fits it."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import pytest

from app.api.openapi import openapi_document
from app.console import UserError
from scripts.write_http_api import PAGE, TABLE, renew

TEXT = PAGE.read_text(encoding="utf-8")
ANSWERS: list[dict[str, Any]] = [
    {"type": "array", "items": {"$ref": "#/components/schemas/RecommendedEvent"}},
    {"$ref": "#/components/schemas/Tag"},
    {"$ref": "#/components/schemas/InvalidBatch"},
    {"$ref": "#/components/schemas/InvalidParameters"},
]


def test_the_tables_are_current() -> None:
    assert renew(TEXT) == TEXT, "make docs"


def test_a_table_that_is_out_of_date_is_renewed() -> None:
    assert renew(TABLE.sub(r"\1| stale |\n\3", TEXT)) == TEXT


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(UserError, match="no place for the table errors"):
        renew(TEXT.replace("<!-- errors: ", "<!-- mistakes: "))


def test_the_answers_shown_are_answers() -> None:
    blocks = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    components = {"components": openapi_document()["components"]}
    for schema, block in zip(ANSWERS, blocks, strict=True):
        jsonschema_rs.validate({**schema, **components}, json.loads(block))


def test_every_route_and_every_variable_of_the_text_is_one_of_the_tables() -> None:
    tables = "\n".join(match[0] for match in TABLE.finditer(TEXT))
    prose = TABLE.sub("", TEXT)
    variables = set(re.findall(r"`([A-Z_]{4,})(?:=\w+)?`", prose)) - {"SIGTERM", "POST", "DELETE"}
    assert {name for name in variables if f"`{name}`" not in tables} == set()
    routes = {path.split("?")[0] for path in re.findall(r"127\.0\.0\.1:8000(/[\w/?-]+)", prose)}
    templates = {re.sub(r"/\d+$", "/{id}", path) for path in routes}
    assert templates <= openapi_document()["paths"].keys()
