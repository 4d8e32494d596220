"""Log lines: one JSON object each where they are for machines, with the request or the job."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.logs import FIELDS, TEXT, JsonLines, TextLines, about, begin, note, noted
from tests.support.api_server import ROOT, SECRET, ApiServer, free_port, serve, token
from tests.support.http_load import wait_for
from tests.support.site import Site, assert_problem, open_site
from tests.support.worker import WorkerProcess, working
from tests.support.worlds import AS_OF, World, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncpg import Connection, Record

    from tests.support.runner import Run

HEADER = "X-Request-ID"
MADE = re.compile(r"[0-9a-f]{32}")
PATIENCE_SECONDS = 60

Line = dict[str, Any]


def lines_of(process: ApiServer | WorkerProcess) -> list[Line]:
    """Read the log, all of it: every line is an object with the four keys all of them have."""
    lines: list[Line] = [json.loads(text) for text in process.log().splitlines()]
    for line in lines:
        assert {"ts", "level", "logger", "message"} <= line.keys(), line
        assert datetime.fromisoformat(line["ts"]).utcoffset() == timedelta(0)
        assert line["level"] in {"debug", "info", "warning", "error", "critical"}
    return lines


def access_line(server: ApiServer, request_id: str) -> Line:
    """The one line of the access log with this id."""
    (line,) = (
        line
        for line in lines_of(server)
        if line["logger"] == "uvicorn.access" and line.get("request_id") == request_id
    )
    return line


# The server's


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run, LOG_FORMAT="json", CORS_ORIGINS="https://a.example") as site:
        site.write(World())
        yield site


def test_an_answer_and_its_lines_have_the_id_that_was_given(site: Site) -> None:
    given_id = f"Web-1_{uuid4()}.x"
    answer = site.server.client.get("/api/events?search=secret", headers={HEADER: given_id})
    assert answer.status_code == 200
    assert answer.headers[HEADER] == given_id
    line = access_line(site.server, given_id)
    assert line["level"] == "info"
    assert line["message"].endswith('"GET /api/events HTTP/1.1" 200')
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/events", 200)
    assert line["client"].startswith("127.0.0.1:")
    assert "secret" not in site.server.log()


@pytest.mark.parametrize(
    "bad",
    ["", "two words", "x" * 129, 'a"b', "a\tb", "a/b", "é".encode(), b"\xff", "{}"],
    ids=repr,
)
def test_what_is_no_id_is_replaced(site: Site, bad: str | bytes) -> None:
    value = bad if isinstance(bad, bytes) else bad.encode()
    answer = site.server.client.get("/healthz", headers={HEADER.encode(): value})
    assert MADE.fullmatch(answer.headers[HEADER])
    assert access_line(site.server, answer.headers[HEADER])["path"] == "/healthz"


def test_the_longest_id_is_kept(site: Site) -> None:
    longest = uuid4().hex + "x" * 96
    assert len(longest) == 128
    answer = site.server.client.get("/healthz", headers={HEADER: longest})
    assert answer.headers[HEADER] == longest


def test_every_kind_of_answer_has_one(site: Site) -> None:
    client = site.server.client
    answers = [
        client.get("/"),
        client.get("/metrics"),
        client.get("/readyz"),
        client.get("/openapi.json"),
        client.get("/docs"),
        client.get("/docs"),
        client.get("/nowhere"),
        client.delete("/healthz"),
        client.get("/api/recommendations"),
        client.get("/api/events", params={"page": 0}),
        client.post("/api/analytics/interactions", content=b"x" * 3_000_000),
        client.options(
            "/api/events",
            headers={
                "Origin": "https://a.example",
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "x-request-id, authorization",
            },
        ),
    ]
    assert {answer.status_code for answer in answers} >= {200, 401, 404, 405, 413, 422}
    ids = [answer.headers.get_list(HEADER) for answer in answers]
    assert all(len(found) == 1 and MADE.fullmatch(found[0]) for found in ids)
    assert len({found[0] for found in ids}) == len(answers)
    for answer in answers:
        assert access_line(site.server, answer.headers[HEADER])["status"] == answer.status_code
    assert answers[-1].status_code == 200
    shown = client.get("/healthz", headers={"Origin": "https://a.example"})
    assert HEADER in shown.headers["Access-Control-Expose-Headers"]


def test_requests_at_once_do_not_share_ids(site: Site) -> None:
    ids = [uuid4().hex for _ in range(200)]

    def ask(request_id: str) -> str:
        answer = httpx.get(
            f"{site.server.url}/nowhere/{request_id}",
            headers={HEADER: request_id},
            trust_env=False,
        )
        return answer.headers[HEADER]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, ids)) == ids
    paths = {
        line["request_id"]: line["path"]
        for line in lines_of(site.server)
        if line["logger"] == "uvicorn.access"
    }
    assert all(paths[request_id] == f"/nowhere/{request_id}" for request_id in ids)


def test_a_fault_of_the_database_is_logged_with_the_id(site: Site) -> None:
    world = World()
    student = world.student()
    site.write(world)
    site.execute("ALTER FUNCTION recommender.get_personalization(integer) RENAME TO away")
    try:
        answer = site.server.client.get(
            "/api/me/personalization",
            headers={"Authorization": f"Bearer {token(student)}", HEADER: "the-fault"},
        )
    finally:
        site.execute("ALTER FUNCTION recommender.away(integer) RENAME TO get_personalization")
    problem = assert_problem(answer, 503)
    assert set(problem) == {"type", "title", "status", "detail"}
    assert answer.headers[HEADER] == "the-fault"
    line = access_line(site.server, "the-fault")
    assert (line["status"], line["fault"]) == (503, "42883")
    told = [
        line
        for line in lines_of(site.server)
        if line["logger"] == "eventrank.database" and line["level"] == "warning"
    ]
    assert [line["request_id"] for line in told] == ["the-fault"]
    assert "42883" in told[0]["message"]


BROKEN = """
import app.__main__ as command
from app.api.application import create_app
from starlette.routing import Route

async def fail(request):
    raise ValueError("a mistake of ours")

command.create_app = lambda settings: create_app(settings, [Route("/fail", fail)])
command.main([])
"""


def test_a_mistake_of_ours_is_logged_with_the_id(tmp_path: Path) -> None:
    port, log_file = free_port(), tmp_path / "log"
    environment = {
        "SECRET_KEY": "short",
        "PORT": str(port),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "LOG_FORMAT": "json",
        "PYTHONPATH": str(ROOT),
    }
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", BROKEN], env=environment, stdout=log, stderr=log
        )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        server = ApiServer(str(client.base_url), process, client, log_file)
        try:
            wait_for(lambda: "serving on" in server.log(), server.log, PATIENCE_SECONDS)
            answer = client.get("/fail", headers={HEADER: "the-mistake"})
            problem = assert_problem(answer, 500)
            assert set(problem) == {"type", "title", "status", "detail"}
            assert answer.headers.get_list(HEADER) == ["the-mistake"]
        finally:
            server.stop()
        assert access_line(server, "the-mistake")["status"] == 500
        (told,) = (line for line in lines_of(server) if "exception" in line)
        assert told["request_id"] == "the-mistake"
        assert told["level"] == "error"
        assert told["exception"].startswith("Traceback")
        assert told["exception"].endswith("ValueError: a mistake of ours")
        warnings = [line for line in lines_of(server) if "SECRET_KEY" in line["message"]]
        assert [line["level"] for line in warnings] == ["warning"]


def test_text_has_the_id_at_the_end_of_the_line(database_url: str) -> None:
    with serve(database_url) as server:
        answer = server.client.get("/healthz", headers={HEADER: "for-people"})
        assert answer.headers[HEADER] == "for-people"
        assert '"GET /healthz HTTP/1.1" 200 [request_id=for-people]\n' in server.log()
        assert re.search(r"^\d{4}-\d\d-\d\d \S+ INFO eventrank: serving on", server.log(), re.M)


# The worker's


@pytest.fixture
def session(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    connection = run(open_session(database_url))
    name = run(connection.fetchval("SELECT quote_ident(current_database())"))
    run(connection.execute(f"ALTER DATABASE {name} SET recommender.as_of = '{AS_OF}'"))
    yield connection
    run(connection.close())


ENQUEUE = "SELECT j.id FROM recommender.enqueue_job($1, $2::jsonb, $3) AS j"
REFRESH, RECOMPUTE = "refresh_user_recommendations_ml", "recompute_recommendations_ml"


def test_a_job_is_told_with_its_id_its_type_and_its_attempt(
    session: Connection[Record], database_url: str, run: Run
) -> None:
    world = World()
    student = world.student()
    world.event(world.organizer())
    world.model(version="m1")
    run(world.write(session))
    with working(database_url, LOG_FORMAT="json") as worker:
        jobs = {
            run(session.fetchval(ENQUEUE, kind, json.dumps(payload), None)): (kind, status)
            for kind, payload, status in (
                (REFRESH, {"user_id": student}, "succeeded"),
                (RECOMPUTE, {"skip_training": True}, "succeeded"),
                # Nothing to learn from, and a version that is taken: it is not tried again.
                (RECOMPUTE, {"model_version": "m1"}, "failed"),
            )
        }
        wait_for(
            lambda: jobs.keys() <= ended(lines_of(worker)).keys(), worker.log, PATIENCE_SECONDS
        )
        told = ended(lines_of(worker))
        for job_id, (kind, status) in jobs.items():
            line = told[job_id]
            assert (line["job_type"], line["attempt"], line["status"]) == (kind, 1, status)
            assert line["message"].startswith(f"job {job_id} {kind}, attempt 1: {status} after ")
            assert line["seconds"] >= 0
            assert line["logger"] == "eventrank.worker"
        assert worker.stop() == 0
        lines_of(worker)


def ended(lines: list[Line]) -> dict[int, Line]:
    return {line["job_id"]: line for line in lines if line["message"].startswith("job ")}


TRAINING = """
import asyncio, app.worker.training_process as process

async def fail(*_arguments):
    raise ZeroDivisionError("a mistake of ours")

process.run_training_job = fail
process.main()
"""


def test_a_training_that_breaks_is_told_by_its_process(database_url: str) -> None:
    job = {
        "address": database_url,
        "claim": {"job_id": 7, "worker": "w", "attempt": 2},
        "payload": {},
    }
    environment = {"LOG_FORMAT": "json", "PYTHONPATH": str(ROOT), "SECRET_KEY": SECRET}
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.read())
        told = json.loads(process.stderr.read())
    assert answer["outcome"] == "failed"
    assert (told["job_id"], told["job_type"], told["attempt"]) == (7, RECOMPUTE, 2)
    assert told["exception"].endswith("ZeroDivisionError: a mistake of ours")


# Lines by themselves


def record(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("a", logging.INFO, __file__, 1, message, arguments, None)
    setattr(made, FIELDS, fields)
    return made


@given(st.text(st.characters(exclude_categories=())), st.text())
def test_whatever_is_said_is_one_line_of_ascii(message: str, value: str) -> None:
    text = JsonLines().format(record("%s", message, value=value, other={1}))
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["message"] == message
    assert json.loads(text)["value"] == value


def test_tasks_know_only_what_they_are_about() -> None:
    async def work(name: str) -> str:
        begin(request_id=name)
        await asyncio.sleep(0)
        note(fault=f"of {name}")
        await asyncio.sleep(0)
        return TextLines(TEXT).format(record("done"))

    async def main() -> list[str]:
        return list(await asyncio.gather(work("a"), work("b")))

    one, other = asyncio.run(main())
    assert one.endswith("done [request_id=a fault=of a]")
    assert other.endswith("done [request_id=b fault=of b]")
    note(fault="of nobody")
    assert noted("fault") is None
    with about(job_id=1):
        assert noted("job_id") == 1
    assert TextLines(TEXT).format(record("over")).endswith("INFO a: over")
