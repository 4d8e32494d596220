"""Under which version a trained model is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

from asyncpg import PostgresError

from app.training.gate import Verdict, compare_with_active
from app.training.model import TrainedModel, store_judged_model

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection, Record

PINNED_VERSION = "SELECT p.model_version FROM recommender.parameters AS p"
EXISTS = "SELECT EXISTS (SELECT FROM public.recommender_models AS m WHERE m.model_version = $1)"
MODEL_EXISTS = "ER014"
OTHER_IS_ACTIVE = "ER031"


async def pinned_version(connection: Connection[Record]) -> str | None:
    """Give the version RECOMMENDER_MODEL_VERSION names for this session, if it does."""
    version: str | None = await connection.fetchval(PINNED_VERSION)
    return version


async def model_exists(connection: Connection[Record], version: str) -> bool:
    """Say whether there is a model of this version, which would never be overwritten."""
    return bool(await connection.fetchval(EXISTS, version))


async def store_under(
    connection: Connection[Record],
    model: TrainedModel,
    version: str | None,
    *,
    force: bool = False,
) -> tuple[str, Verdict]:
    """Store the model, under a new version of its moment if none is given, and activate it.

    It is not activated when it is worse than the model that is active at that moment, unless
    forced. This is the session that trained it: should another model be active by now, the two
    are compared again.
    """
    while True:
        name = version or await _new_version(connection, model.as_of)
        try:
            # A savepoint, where the caller is in a transaction.
            async with connection.transaction():
                return name, await store_judged_model(connection, model, name, force=force)
        except PostgresError as error:
            if error.sqlstate == OTHER_IS_ACTIVE:
                comparison = await compare_with_active(
                    connection, model.fit.weights, model.feature_names
                )
                popularity = model.comparison.against_popularity
                model = replace(
                    model, comparison=replace(comparison, against_popularity=popularity)
                )
            # Another training of the same moment took the name between the two statements.
            elif version or error.sqlstate != MODEL_EXISTS:
                raise


async def _new_version(connection: Connection[Record], as_of: datetime) -> str:
    base = version = f"ml-v1-{as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    number = 1
    while await model_exists(connection, version):
        number += 1
        version = f"{base}-{number}"
    return version
