"""Copy settings from the environment into the database, where HTTP, workers and SQL share them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from app.console import UserError

if TYPE_CHECKING:
    from asyncpg import Connection, Record

FOR_ONE_COMMAND = "recommender_model_version"

INVALID = """
SELECT d.name, d.value_type, d.min_value, d.max_value
FROM recommender.setting_defaults AS d
INNER JOIN unnest($1::text[], $2::text[]) AS e (name, value) ON e.name = d.name
WHERE NOT recommender._setting_is_valid(e.value, d.value_type, d.min_value, d.max_value)
ORDER BY d.name
LIMIT 1
"""

STORE = """
INSERT INTO public.recommender_settings AS s (name, value, source, updated_at)
SELECT e.name, e.value, 'environment', now()
FROM unnest($1::text[], $2::text[]) AS e (name, value)
ORDER BY e.name
ON CONFLICT (name) DO UPDATE SET
    value = excluded.value,
    source = excluded.source,
    updated_at = excluded.updated_at
WHERE (s.value, s.source) IS DISTINCT FROM (excluded.value, excluded.source)
RETURNING s.name
"""


async def store_environment(connection: Connection[Record]) -> list[str]:
    """Store every set environment variable that is a setting; give the names that changed.

    Only names in recommender.setting_defaults are looked at, so DATABASE_URL, SECRET_KEY and the
    like never get into the table. RECOMMENDER_MODEL_VERSION speaks for one command only: stored, it
    would go on to pin the lists to one model whatever is trained later. An empty variable counts as
    not set. A value outside its type or bounds is a UserError with the variable's name, and nothing
    is stored.
    """
    names = [
        row["name"]
        for row in await connection.fetch("SELECT d.name FROM recommender.setting_defaults AS d")
        if row["name"] != FOR_ONE_COMMAND
    ]
    given = {name: value for name in names if (value := os.environ.get(name.upper(), "").strip())}
    for name, value in given.items():
        # Bytes that are no UTF-8 come out of the environment as lone surrogates.
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise UserError(f"{name.upper()} is {value!r}: expected text in UTF-8")
    arrays = list(given), list(given.values())
    if wrong := await connection.fetchrow(INVALID, *arrays):
        bounds = (
            f" from {wrong['min_value']:.12g} to {wrong['max_value']:.12g}"
            if wrong["min_value"] is not None
            else ""
        )
        raise UserError(
            f"{wrong['name'].upper()} is {given[wrong['name']]!r}: "
            f"expected {_article(wrong['value_type'])} {wrong['value_type']}{bounds}"
        )
    return sorted(row["name"] for row in await connection.fetch(STORE, *arrays))


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
