#!/usr/bin/env python3
"""Renew the tables of docs/http-api.md from the OpenAPI document and the settings' models."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.api.openapi import INTERACTION_TYPES, openapi_document
from app.api.parameters import EXPECTED
from app.api.settings import ServerSettings
from app.console import EXIT_FAILURE, UserError, console, run
from app.environment import describe_type
from app.settings import FOR_ONE_COMMAND, settings_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.environment import EnvironmentModel

PAGE = Path(__file__).resolve().parents[1] / "docs" / "http-api.md"
TABLE = re.compile(r"(<!-- ([a-z-]+): written by make docs -->\n).*?(<!-- end -->)", re.DOTALL)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 if the page is not current",
    )
    return parser.parse_args()


async def main() -> int:
    """Run the command."""
    options = parse_arguments()
    written = PAGE.read_text(encoding="utf-8")
    text = renew(written)
    if not options.check:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
        console.print(f"wrote {PAGE.name}", markup=False)
    elif text != written:
        console.print(f"{PAGE.name} is not current: make docs", markup=False)
        return EXIT_FAILURE
    return 0


def renew(page: str) -> str:
    """Give the page with each of its tables as the code has it."""
    tables = {
        "routes": routes(),
        "query": query(),
        "event": event(),
        "interaction": interaction(),
        "interaction-types": interaction_types(),
        "errors": errors(),
        "server-settings": settings(ServerSettings),
        "shared-settings": settings(settings_model()),
    }
    if missing := tables.keys() - {name for _start, name, _end in TABLE.findall(page)}:
        raise UserError(f"the page has no place for the table {min(missing)}")
    return TABLE.sub(lambda place: f"{place[1]}{tables[place[2]]}\n{place[3]}", page)


def routes() -> str:
    """List what can be asked for."""
    return _table(
        ("route", "who", "what", "answers"),
        (
            (
                f"`{method.upper()} {path}`",
                _who(operation),
                operation["summary"],
                ", ".join(operation["responses"]),
            )
            for path, method, operation in _operations()
        ),
    )


def query() -> str:
    """List the parameters of GET /api/events."""
    parameters = openapi_document()["paths"]["/api/events"]["get"]["parameters"]
    return _table(
        ("parameter", "takes", "meaning"),
        (
            (
                f"`{item['name']}`",
                EXPECTED[item["name"]].removeprefix("expected "),
                item["description"] + _default(item["schema"]),
            )
            for item in parameters
            if item["in"] == "query"
        ),
    )


def event() -> str:
    """List the fields of an event."""
    fields = openapi_document()["components"]["schemas"]["Event"]["properties"]
    return _table(
        ("field", "type", "meaning"),
        (
            (f"`{name}`", _type(field), field.get("description", ""))
            for name, field in fields.items()
        ),
    )


def interaction() -> str:
    """List the fields of an interaction."""
    schema = openapi_document()["components"]["schemas"]["Interaction"]
    return _table(
        ("field", "type", "meaning"),
        (
            (
                f"`{name}`",
                _type(field) + (", required" if name in schema["required"] else ""),
                field["description"],
            )
            for name, field in schema["properties"].items()
        ),
    )


def interaction_types() -> str:
    """List what an interaction can be."""
    return _table(
        ("type", "meaning"),
        ((f"`{name}`", meaning) for name, meaning in INTERACTION_TYPES.items()),
    )


def errors() -> str:
    """List what a status from 400 on means."""
    components = openapi_document()["components"]["responses"]
    return _table(
        ("status", "when", "headers"),
        (
            (
                name.partition("-")[0],
                answer["description"],
                ", ".join(f"`{header}`" for header in answer.get("headers", ())),
            )
            for name, answer in components.items()
        ),
    )


def settings(model: type[EnvironmentModel]) -> str:
    """List the variables of a model."""
    schema = model.model_json_schema()
    required = schema.get("required", ())
    return _table(
        ("variable", "takes", "default", "meaning"),
        (
            (
                f"`{name.upper()}`",
                describe_type(field),
                "required" if name in required else _value(field["default"]),
                field["description"]
                + (" (for one command: never stored)" if name == FOR_ONE_COMMAND else ""),
            )
            for name, field in schema["properties"].items()
        ),
    )


def _operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in openapi_document()["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def _who(operation: dict[str, Any]) -> str:
    security = operation["security"]
    if not security:
        return "anybody"
    if {} in security:
        return "anybody, or with a token"
    return "an admin" if "admin" in operation["tags"] else "a student"


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field.get("items", {}):
        return "array of `{id, name}`"
    names = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return " or ".join((str(field.get("format", names[0])), *names[1:]))


def _default(schema: dict[str, Any]) -> str:
    return f" (default: {_value(schema['default'])})" if "default" in schema else ""


def _value(default: object) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if default not in (None, "", [], ()) else ""


def _table(titles: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _title in titles), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |" for cells in lines
    )


if __name__ == "__main__":
    run(main())
