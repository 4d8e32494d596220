"""Training as a job of the queue: what was asked for, done once, whoever else believes to do it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.console import UserError
from app.training.model import Recipe, train_for_activation
from app.training.turn import take_turn
from app.training.versions import model_exists, pinned_version, store_under

if TYPE_CHECKING:
    from asyncpg import Connection, Record

JOB_TYPE = "recompute_recommendations_ml"

CHECK = "SELECT recommender._check_job($1, $2::jsonb)"
REFUSE_NEWER = "SELECT recommender.refuse_newer_lists(recommender.as_of(), NULL)"
HEARTBEAT = "SELECT recommender.heartbeat_job($1, $2, $3)"
HOLD = "SELECT recommender.hold_job($1, $2, $3)"
FINISH = "SELECT recommender.finish_job($1, $2, $3, $4::jsonb)"
TOP_N = "SELECT p.refresh_top_n FROM recommender.parameters AS p"
RESCORE = "SELECT j.id FROM recommender.enqueue_job($1, $2::jsonb, 'all') AS j"


@dataclass(frozen=True)
class Claim:
    """A job as its worker holds it: another worker, or another attempt, is another claim."""

    job_id: int
    worker: str
    attempt: int

    def arguments(self) -> tuple[int, str, int]:
        """Give it as the functions of the queue take it."""
        return self.job_id, self.worker, self.attempt


async def run_training_job(
    connection: Connection[Record], claim: Claim, payload: dict[str, Any]
) -> dict[str, Any] | None:
    """Train, activate the model if it may be, ask for everybody's lists; give the job's result.

    The lists are asked for in any case: those of the model that stays active must not age.

    None means that the claim was lost, and nothing was stored. What trying again would not mend is
    a UserError, or an error of the recommender's own SQLSTATEs. The connection holds the turn of
    recomputes until it closes.
    """
    await connection.execute(CHECK, JOB_TYPE, json.dumps(payload))
    await take_turn(connection)
    if not await connection.fetchval(HEARTBEAT, *claim.arguments()):
        return None
    await connection.execute(REFUSE_NEWER)
    version = await _wanted_version(connection, payload)
    model = await train_for_activation(connection, Recipe.of(payload))
    async with connection.transaction():
        if not await connection.fetchval(HOLD, *claim.arguments()):
            return None
        version, verdict = await store_under(
            connection, model, version, force=payload.get("force", False)
        )
        top_n = payload.get("top_n") or await connection.fetchval(TOP_N)
        rescore_job_id = await connection.fetchval(
            RESCORE, JOB_TYPE, json.dumps({"skip_training": True, "top_n": int(top_n)})
        )
        result = {
            "model_version": version,
            "activated": verdict.is_activated,
            "reason": verdict.reason,
            "hitrate_at_10": model.hitrate,
            "loss": model.fit.loss,
            "rescore_job_id": rescore_job_id,
        }
        await connection.execute(FINISH, *claim.arguments(), json.dumps(result, allow_nan=False))
    return result


async def _wanted_version(connection: Connection[Record], payload: dict[str, Any]) -> str | None:
    asked: str | None = payload.get("model_version")
    version = asked or await pinned_version(connection)
    if version and await model_exists(connection, version):
        remedy = (
            "ask for another model_version"
            if asked
            else "RECOMMENDER_MODEL_VERSION in recommender_settings names it; delete that, or give"
            " the job a model_version of its own"
        )
        raise UserError(f"model {version!r} exists already: {remedy}")
    return version
