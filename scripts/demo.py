#!/usr/bin/env python3
"""From nothing to answers: schema, a synthetic population, a trained model, lists, the server.

A worker runs beside the server, so that a click changes the list.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.__main__ import listen, url_of
from app.api.settings import read_server_settings
from app.arguments import whole_number
from app.console import UserError, console, print_result, run
from app.database import configured_url, connect, database_url, describe_url
from app.settings import store_environment
from app.tokens import issue_token, make_secret_key, secret_key

if TYPE_CHECKING:
    from asyncpg import Connection, Record

SCRIPTS = Path(__file__).resolve().parent
TOKEN_HOURS = 24

SUMMARY = """
SELECT
    (SELECT count(*) FROM recommender.source_students) AS students,
    (SELECT count(*) FROM recommender.eligible_events) AS upcoming,
    (SELECT count(*) FROM recommender.source_interactions) AS interactions,
    (SELECT count(*) FROM public.recommendation_lists) AS lists,
    (SELECT count(*) FROM public.user_recommendations) AS rows,
    m.model_version,
    (m.meta ->> 'hitrate_at_10')::double precision AS hitrate,
    (m.meta ->> 'chance_at_10')::double precision AS chance
FROM recommender.current_model() AS m
"""

EXAMPLE_STUDENT = """
SELECT s.user_id
FROM recommender.source_students AS s
LEFT JOIN public.user_recommendations AS r ON r.user_id = s.user_id AND r.rank <= 5
WHERE s.is_active
GROUP BY s.user_id, s.language
-- Somebody whose list says something about them, in English where there is such a list.
ORDER BY count(r.user_id) = 0, s.language IS NOT DISTINCT FROM 'ro',
    count(DISTINCT r.reason) DESC, s.user_id
LIMIT 1
"""

EXAMPLE_LIST = """
SELECT r.rank, e.title, r.score, r.reason
FROM public.user_recommendations AS r
INNER JOIN public.events AS e ON e.id = r.event_id
WHERE r.user_id = $1
ORDER BY r.rank
LIMIT 5
"""

EXAMPLE_CLICK = """
SELECT r.event_id
FROM public.user_recommendations AS r
INNER JOIN recommender.eligible_events AS e ON e.event_id = r.event_id
WHERE r.user_id = $1
ORDER BY r.rank DESC
LIMIT 1
"""

LIVELY = {
    "TASK_QUEUE_ENABLED": "true",
    "RECOMMENDATIONS_ONLINE_LEARNING_ENABLED": "true",
    "RECOMMENDATIONS_REALTIME_REFRESH_ENABLED": "true",
    "RECOMMENDATIONS_REALTIME_REFRESH_MIN_INTERVAL_SECONDS": "0",
}
"""What the demo switches on in a population of its own; variables that are set stay."""

NO_STUDENT = (
    "there is no active student, so there is no list to show and nobody to sign a token for"
)

NEXT_STEPS = """
try next:
  make psql     psql on WHERE_IT_IS, and there:
    SELECT * FROM user_recommendations WHERE user_id = STUDENT ORDER BY rank LIMIT 10;
    SELECT e.* FROM user_recommendations AS r, recommender.explain(r.user_id, r.event_id) AS e
      WHERE r.user_id = STUDENT AND r.rank = 1;     -- why the first event is the first
    SELECT recommender.score_user(STUDENT, 50);     -- refresh one student's list now
    CALL recommender.score_all(50);           -- rescore everybody in SQL
  make train    train again and rewrite all lists
  make serve    serve the HTTP API
  make help     everything else"""

QUEUE_IS_ON = "SELECT p.queue_enabled FROM recommender.parameters AS p"

REQUESTS = """
as student STUDENT, for TOKEN_HOURS hours (another one:
.venv/bin/python scripts/issue_token.py --user-id …):
  curl -H 'Authorization: Bearer TOKEN' SERVER/api/recommendations
  curl -H 'Authorization: Bearer TOKEN' 'SERVER/api/events?sort=recommended&page_size=5'
CLICKin a browser: SERVER/docs
"""

CLICK = """\
a click on an event that is far down, and the list is another one:
  curl -d '{"events": [{"interaction_type": "click", "event_id": EVENT}]}' \\
    -H 'Authorization: Bearer TOKEN' SERVER/api/analytics/interactions
"""

REQUESTS_OF_NOBODY = """
as nobody:
  curl SERVER/api/events
in a browser: SERVER/docs
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="A database that already has users keeps them: then only training and lists run.",
    )
    parser.add_argument(
        "--students", type=whole_number(1, 20_000_000), default=400, help="default: %(default)s"
    )
    parser.add_argument(
        "--events", type=whole_number(2, 1_000_000), default=300, help="default: %(default)s"
    )
    parser.add_argument(
        "--no-serve", action="store_true", help="end when the lists are there, without a server"
    )
    return parser.parse_args(arguments)


async def main() -> int:
    """Run the command."""
    options = parse_arguments()
    server_url = None if options.no_serve else _find_place()
    _step("migrate.py")
    connection = await connect()
    try:
        has_users = await connection.fetchval("SELECT EXISTS (SELECT FROM public.users)")
        if has_users:
            console.print("there are users already: the population is kept as it is")
        else:
            for name, value in LIVELY.items():
                os.environ.setdefault(name, value)
            await store_environment(connection)
            _step(
                "generate_population.py",
                f"--students={options.students}",
                f"--events={options.events}",
            )
        _step("recompute_recommendations_ml.py")
        student = await _print_summary(connection)
        runs_jobs = await connection.fetchval(QUEUE_IS_ON)
        event = await connection.fetchval(EXAMPLE_CLICK, student) if runs_jobs else None
    finally:
        await connection.close()
    if server_url:
        if runs_jobs:
            _start_worker()
        _serve(server_url, student, event)
    return 0


def _find_place() -> str:
    """Give the address to serve on, before minutes of work end at a port that is taken."""
    if not os.environ.get("SECRET_KEY", "").strip():
        make_secret_key()
    os.environ["SECRET_KEY"] = secret_key()
    settings = read_server_settings()
    listeners = listen(settings.host, settings.port)
    url = url_of(listeners[0])
    # Where PORT is 0, the one found now.
    os.environ["PORT"] = str(listeners[0].getsockname()[1])
    for listener in listeners:
        listener.close()
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _start_worker() -> None:
    """Run the jobs as long as this process lives, whatever it becomes and however it ends."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "app.worker", "--until-stdin-closes"],
        cwd=SCRIPTS.parent,
        stdin=subprocess.PIPE,
    )
    assert worker.stdin is not None
    os.set_inheritable(worker.stdin.fileno(), True)


def _serve(url: str, student: int | None, event: int | None) -> NoReturn:
    """Say what to ask, and become the server."""
    console.rule("[bold].venv/bin/python -m app", align="left")
    text = REQUESTS_OF_NOBODY
    if student is not None:
        token = issue_token(student, TOKEN_HOURS, secret_key())
        text = (
            REQUESTS.replace("CLICK", CLICK.replace("EVENT", str(event)) if event else "")
            .replace("TOKEN_HOURS", str(TOKEN_HOURS))
            .replace("STUDENT", str(student))
            .replace("TOKEN", token)
        )
    for line in text.replace("SERVER", url).strip().split("\n"):
        print_result(line)
    console.print("Ctrl-C ends it")
    os.chdir(SCRIPTS.parent)
    os.execv(sys.executable, [sys.executable, "-m", "app"])


def _step(script: str, *arguments: str) -> None:
    """Run one of the commands a person would type next time."""
    console.rule(
        f"[bold]{' '.join((f'.venv/bin/python scripts/{script}', *arguments))}", align="left"
    )
    done = subprocess.run([sys.executable, str(SCRIPTS / script), *arguments], check=False)
    if done.returncode:
        raise UserError(f"scripts/{script} failed; the demo stops here")


async def _print_summary(connection: Connection[Record]) -> int | None:
    """Say what there is, and give the student whose list is shown, if there is one."""
    summary = await connection.fetchrow(SUMMARY)
    student: int | None = await connection.fetchval(EXAMPLE_STUDENT)
    rows = await connection.fetch(EXAMPLE_LIST, student)
    assert summary is not None
    console.rule("[bold]what is there now", align="left")
    print_result(
        f"{summary['lists']:,} lists, {summary['rows']:,} rows, by model {summary['model_version']}"
    )
    print_result(
        f"{summary['students']:,} students, {summary['upcoming']:,} events to come, "
        f"{summary['interactions']:,} interactions"
    )
    if summary["hitrate"] is not None:
        print_result(
            f"hitrate@10 {summary['hitrate']:.3f}, where chance is {summary['chance']:.3f}"
        )
    if rows:
        table = Table(
            box=None,
            padding=(0, 2),
            title_justify="left",
            title=f"the list of student {student}",
        )
        for title in ("rank", "event", "score", "reason"):
            table.add_column(title)
        for row in rows:
            table.add_row(str(row["rank"]), row["title"], f"{row['score']:.3f}", row["reason"])
        console.print(table)
    if student is None:
        print_result(NO_STUDENT)
    else:
        _print_next_steps(student)
    return student


def _print_next_steps(student: int) -> None:
    where = describe_url(database_url()) if configured_url() else "the embedded PostgreSQL"
    for line in (
        NEXT_STEPS.replace("WHERE_IT_IS", where).replace("STUDENT", str(student)).split("\n")
    ):
        print_result(line)


if __name__ == "__main__":
    run(main())
