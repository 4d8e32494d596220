"""Training as a job: what is stored is stored once, with the end of the job, or not at all."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from app.console import UserError
from app.training.job import JOB_TYPE, Claim, run_training_job
from app.training.model import Recipe, train_model
from app.training.versions import store_under
from tests.support.worlds import AS_OF, World, days, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

VERSION = "ml-v1-20260301T120000Z"
OTHER = "ml-v1-20260301T120000Z-2"


@dataclass
class Queue:
    """Claims training jobs and runs them in sessions that stand at AS_OF."""

    url: str
    connection: Connection[Record]
    run: Run

    def write(self, world: World) -> None:
        self.run(self.connection.execute("TRUNCATE recommender_settings"))
        self.run(world.write(self.connection))

    def value(self, sql: str, *arguments: object) -> Any:
        return self.run(self.connection.fetchval(sql, *arguments))

    def claim(self, worker: str = "w1", **payload: object) -> Claim:
        """Queue a training and claim it."""
        self.value("SELECT recommender.enqueue_job($1, $2::jsonb)", JOB_TYPE, json.dumps(payload))
        job = self.run(
            self.connection.fetchrow(
                "SELECT j.* FROM recommender.claim_job($1, ARRAY['training']) AS j", worker
            )
        )
        assert job is not None
        return Claim(job["id"], worker, job["attempts"])

    def train(self, claim: Claim, **payload: object) -> dict[str, Any] | None:
        """Run the job as the worker's process does."""
        return self.run(self._train(claim, payload))

    async def _train(self, claim: Claim, payload: dict[str, object]) -> dict[str, Any] | None:
        connection = await open_session(self.url)
        try:
            return await run_training_job(connection, claim, payload)
        finally:
            await connection.close()

    def models(self) -> list[str]:
        versions = "SELECT array_agg(model_version ORDER BY id) FROM recommender_models"
        return list(self.value(versions) or [])

    def job(self, claim: Claim) -> Record:
        row = self.run(
            self.connection.fetchrow("SELECT * FROM background_jobs WHERE id = $1", claim.job_id)
        )
        assert row is not None
        return row

    def rescores(self) -> list[dict[str, Any]]:
        rows = self.run(
            self.connection.fetch(
                "SELECT payload FROM background_jobs WHERE dedupe_key = 'all' ORDER BY id"
            )
        )
        return [json.loads(row["payload"]) for row in rows]


@pytest.fixture(scope="module")
def queue(database_url: str, run: Run) -> Iterator[Queue]:
    connection = run(open_session(database_url))
    yield Queue(database_url, connection, run)
    run(connection.close())


def world() -> World:
    """Three students and enough signals to learn from."""
    world = World()
    club = world.organizer()
    events = [world.event(club, tags=["rock" if number % 2 else "jazz"]) for number in range(6)]
    for number in range(3):
        student = world.student(interests=["rock"])
        world.register(student, events[number])
        world.interact(student, "click", events[number + 3])
    return world


def test_one_commit_stores_the_model_asks_for_the_lists_and_ends_the_job(queue: Queue) -> None:
    queue.write(world())
    claim = queue.claim(top_n=7)
    result = queue.train(claim, top_n=7)
    assert result is not None
    assert (queue.models(), result["model_version"]) == ([VERSION], VERSION)
    assert queue.value("SELECT is_active FROM recommender_models")
    assert (result["activated"], result["reason"]) == (
        True,
        "no model was active; not compared with popularity: 0 students came in the newest window",
    )
    job = queue.job(claim)
    assert (job["status"], job["locked_by"]) == ("succeeded", None)
    assert json.loads(job["result"]) == result
    assert queue.rescores() == [{"skip_training": True, "top_n": 7}]
    assert queue.value("SELECT max(id) FROM background_jobs") == result["rescore_job_id"]


def test_without_a_length_the_lists_are_as_long_as_refreshed_ones(queue: Queue) -> None:
    queue.write(world())
    queue.value(
        "INSERT INTO recommender_settings (name, value, source)"
        " VALUES ('recommendations_realtime_refresh_top_n', '9', 'admin')"
    )
    queue.train(queue.claim())
    assert queue.rescores() == [{"skip_training": True, "top_n": 9}]


def test_two_trainings_ask_for_the_lists_once_while_nobody_wrote_them(queue: Queue) -> None:
    queue.write(world())
    first = queue.train(queue.claim(top_n=5), top_n=5)
    second = queue.train(queue.claim(top_n=5), top_n=5)
    assert first is not None
    assert second is not None
    assert first["rescore_job_id"] == second["rescore_job_id"]
    assert queue.models() == [VERSION, OTHER]
    assert queue.rescores() == [{"skip_training": True, "top_n": 5}]


def test_a_claim_that_was_lost_before_it_began_stores_nothing(queue: Queue) -> None:
    queue.write(world())
    claim = queue.claim()
    queue.value("SELECT recommender.release_jobs('w1')")
    assert queue.train(claim) is None
    assert queue.train(Claim(claim.job_id, "w2", 1)) is None
    assert queue.models() == []
    assert queue.rescores() == []
    assert queue.job(claim)["status"] == "queued"


def test_a_claim_that_is_lost_while_it_trains_stores_nothing(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.write(world())
    claim = queue.claim()

    async def train_too_long(connection: Connection[Record], recipe: Recipe) -> Any:
        model = await train_model(connection, recipe)
        await queue.connection.execute("UPDATE background_jobs SET locked_at = '2026-01-01'")
        await queue.connection.execute("SELECT recommender.requeue_stale_jobs()")
        return model

    monkeypatch.setattr("app.training.job.train_for_activation", train_too_long)
    assert queue.train(claim) is None
    assert queue.models() == []
    assert queue.rescores() == []
    assert queue.job(claim)["status"] == "queued"


def test_a_named_version_is_used_once(queue: Queue) -> None:
    queue.write(world())
    result = queue.train(queue.claim(model_version="spring"), model_version="spring")
    assert result is not None
    assert result["model_version"] == "spring"
    with pytest.raises(UserError, match=r"model 'spring' exists already: ask for another"):
        queue.train(queue.claim(model_version="spring"), model_version="spring")
    assert queue.models() == ["spring"]


def test_a_pinned_version_names_the_model_unless_the_job_does(queue: Queue) -> None:
    queue.write(world())
    queue.value(
        "INSERT INTO recommender_settings (name, value, source)"
        " VALUES ('recommender_model_version', 'pinned', 'admin')"
    )
    queue.train(queue.claim())
    with pytest.raises(UserError, match=r"RECOMMENDER_MODEL_VERSION in recommender_settings"):
        queue.train(queue.claim())
    queue.value("UPDATE background_jobs SET status = 'failed' WHERE status = 'running'")
    queue.train(queue.claim(model_version="own"), model_version="own")
    assert queue.models() == ["pinned", "own"]


def test_a_moment_before_that_of_the_lists_is_refused_before_training(queue: Queue) -> None:
    later = world()
    later.model(1)
    later.recommend(2, 1, at=days(1))
    queue.write(later)
    with pytest.raises(asyncpg.PostgresError) as refusal:
        queue.train(queue.claim())
    assert refusal.value.sqlstate == "ER030"
    assert queue.models() == ["m1"]


def test_what_enqueue_job_would_not_have_taken_is_refused(queue: Queue) -> None:
    queue.write(world())
    with pytest.raises(asyncpg.PostgresError, match="epochs") as refusal:
        queue.train(queue.claim(), epochs="many")
    assert refusal.value.sqlstate == "ER042"


def test_two_trainings_of_one_moment_that_end_together_get_a_version_each(queue: Queue) -> None:
    queue.write(world())

    async def store_two() -> list[str]:
        first, second = [await open_session(queue.url) for _ in range(2)]
        try:
            model = await train_model(first, Recipe())
            assert (await train_model(second, Recipe())).meta() == model.meta()
            transaction = first.transaction()
            await transaction.start()
            stored, _ = await store_under(first, model, None)

            async def store_within() -> str:
                async with second.transaction():
                    version, _ = await store_under(second, model, None)
                    return version

            # Sees no model of this name and none that is active, and waits for the first.
            waiting = asyncio.create_task(store_within())
            while not await queue.connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ):
                assert not waiting.done()
            await transaction.commit()
            return [stored, await waiting]
        finally:
            await first.close()
            await second.close()

    assert queue.run(store_two()) == [VERSION, OTHER]
    assert queue.models() == [VERSION, OTHER]


def test_a_recipe_takes_its_arguments_as_json_writes_them() -> None:
    payload = json.loads('{"epochs": 6.0, "lr": 1, "seed": 9007199254740991, "top_n": 5}')
    recipe = Recipe.of(payload)
    assert recipe == Recipe(epochs=6, lr=1.0, seed=9007199254740991)
    assert (type(recipe.epochs), type(recipe.lr)) == (int, float)
    assert Recipe.of({}) == Recipe()


def test_the_moment_of_a_training_is_that_of_its_session(queue: Queue) -> None:
    queue.write(world())
    queue.train(queue.claim())
    meta = json.loads(queue.value("SELECT meta FROM recommender_models"))
    assert meta["as_of"] == AS_OF.isoformat()
