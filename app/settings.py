"""The settings that SQL shares: read from the environment, checked, stored where all parts look.

Which ones there are, with their types, bounds and defaults, is written once, in sql/.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlglot
from pydantic import Field, create_model
from sqlglot import exp

from app.console import UserError
from app.environment import EnvironmentModel, WholeNumber, read_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncpg import Connection, Record

DEFINITIONS = Path(__file__).resolve().parents[1] / "sql" / "setting" / "setting_defaults.sql"
FOR_ONE_COMMAND = "recommender_model_version"
SMALLEST_STEP = Decimal("1e-15")
"""SQL takes up to 15 digits after the point."""

IS_STORED = """
SELECT NOT EXISTS (
    SELECT
    FROM unnest($1::text[], $2::text[]) AS e (name, value)
    INNER JOIN recommender.setting_defaults AS d ON d.name = e.name
    LEFT JOIN public.recommender_settings AS s ON s.name = e.name
    WHERE (s.value, s.source) IS DISTINCT FROM (e.value, 'environment')
)
"""

STORE = """
INSERT INTO public.recommender_settings AS s (name, value, source, updated_at)
SELECT e.name, e.value, 'environment', now()
FROM unnest($1::text[], $2::text[]) AS e (name, value)
INNER JOIN recommender.setting_defaults AS d ON d.name = e.name
ORDER BY e.name
ON CONFLICT (name) DO UPDATE SET
    value = excluded.value,
    source = excluded.source,
    updated_at = excluded.updated_at
WHERE (s.value, s.source) IS DISTINCT FROM (excluded.value, excluded.source)
RETURNING s.name, s.value
"""


TYPES: dict[str, tuple[Any, Callable[[str], object]]] = {
    "boolean": (bool, lambda text: text == "true"),
    "integer": (WholeNumber, int),
    "number": (float, float),
    "text": (str, str),
}
"""The Python type of each type of setting, and how its default is read."""


def read_settings() -> EnvironmentModel:
    """Read the settings from the environment; a wrong one is a UsageError with its name."""
    return read_environment(settings_model())


@cache
def settings_model() -> type[EnvironmentModel]:
    """Build the model, one field a row of recommender.setting_defaults, as its file has them."""
    fields: dict[str, Any] = {}
    for row in _definitions():
        value_type = row["value_type"]
        python_type, parse = TYPES.get(value_type) or (Literal[*value_type.split("|")], str)
        bounds: dict[str, Any] = (
            {"ge": float(row["min_value"]), "le": float(row["max_value"])}
            if row["min_value"] is not None
            else {}
        )
        fields[row["name"]] = (
            python_type,
            Field(default=parse(row["default_value"]), description=row["description"], **bounds),
        )
    return create_model("Settings", __base__=EnvironmentModel, **fields)


def _definitions() -> list[dict[str, Any]]:
    statement = sqlglot.parse(DEFINITIONS.read_text(encoding="utf-8"), dialect="postgres")[0]
    values = statement.find(exp.Values) if statement else None
    if values is None:
        raise UserError(f"{DEFINITIONS.name} has no VALUES")
    names = [column.name for column in values.args["alias"].columns]
    return [
        dict(zip(names, (_constant(item) for item in row.expressions), strict=True))
        for row in values.expressions
    ]


def _constant(item: exp.Expression) -> str | None:
    """Give a literal as its text, and NULL (cast or not) as None."""
    while isinstance(item, exp.Cast):
        item = item.this
    return None if isinstance(item, exp.Null) else str(item.to_py())


async def store_environment(
    connection: Connection[Record], say: Callable[[str], None] = lambda _message: None
) -> list[str]:
    """Store every setting whose variable is set; give the names that changed.

    `say` hears of each change, with its value; none of the settings is a secret. Only names in
    recommender.setting_defaults are looked at, so DATABASE_URL, SECRET_KEY and the like never get
    into the table. RECOMMENDER_MODEL_VERSION speaks for one command only: stored, it would go on to
    pin the lists to one model whatever is trained later. A value outside its type or bounds is a
    UsageError with the variable's name, and nothing is stored. A read-only database will do where
    nothing is to be changed.
    """
    settings = read_settings()
    texts = {
        name: _text(getattr(settings, name))
        for name in sorted(settings.model_fields_set - {FOR_ONE_COMMAND})
    }
    arrays = list(texts), list(texts.values())
    if await connection.fetchval(IS_STORED, *arrays):
        return []
    rows = await connection.fetch(STORE, *arrays)
    for row in rows:
        say(f"setting {row['name']} is now {row['value']}, from the environment")
    return sorted(row["name"] for row in rows)


def _text(value: object) -> str:
    """Write a value in the one form SQL reads it in: no exponent, no sign, no capital."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # Through repr, since 72.3 is meant where the nearest double is 72.2999999999999971578.
        text = f"{Decimal(repr(value + 0.0)).quantize(SMALLEST_STEP):f}"
        return text.rstrip("0").rstrip(".")
    return str(value)
