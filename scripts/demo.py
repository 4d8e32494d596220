#!/usr/bin/env python3
"""From nothing to a site that looks alive: schema, population, traffic, two models, the server.

A synthetic population has three months behind it, and in the last two weeks half of its students
were shown what a first model recommends. A guardrail judges that, a second model is trained, and
the events site, the desk and the API are served, with a worker beside them: a click changes the
list.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.__main__ import listen, url_of
from app.api.settings import read_server_settings
from app.arguments import whole_number
from app.console import UserError, console, print_result, run
from app.database import configured_url, connect, database_url, describe_url
from app.population import kept_plans
from app.settings import store_environment
from app.tokens import issue_token, make_secret_key, secret_key

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from app.population import Plan

SCRIPTS = Path(__file__).resolve().parent
TOKEN_HOURS = 24
SECONDS_TO_STOP = 1
TRAFFIC_DAYS = 14
INTERACTIONS_PER_STUDENT = 150

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
-- One click is worth a little: the first event that is not shown yet is moved by it for certain.
ORDER BY r.rank <= 10, r.rank
LIMIT 1
"""

LIVELY = {
    "TASK_QUEUE_ENABLED": "true",
    "RECOMMENDATIONS_ONLINE_LEARNING_ENABLED": "true",
    "RECOMMENDATIONS_REALTIME_REFRESH_ENABLED": "true",
    "RECOMMENDATIONS_REALTIME_REFRESH_MIN_INTERVAL_SECONDS": "0",
    "EXPERIMENTS_PERSONALIZATION_ML_PERCENT": "50",
    "PERSONALIZATION_GUARDRAILS_ENABLED": "true",
}
"""What the demo switches on in a population of its own; variables that are set stay."""

IS_MADE_UP = """
SELECT to_regclass('population.plans') IS NOT NULL AND NOT EXISTS (
    SELECT FROM public.users AS u WHERE u.email NOT LIKE '%@eventrank.example'
)
"""
"""On the demo's site everybody may be anybody: never where one of them may be real."""

HAS_MODEL = "SELECT EXISTS (SELECT FROM public.recommender_models)"

WAS_VISITED = """
SELECT EXISTS (SELECT FROM public.event_interactions AS i WHERE i.occurred_at >= $1)
"""

# A training for the past stores its model now; nothing else tells the two moments apart.
DATE_MODELS = """
UPDATE public.recommender_models AS m
SET created_at = a.activated_at
FROM public.model_activations AS a
WHERE a.model_version = m.model_version AND a.activated_at < m.created_at
"""

MODELS = """
SELECT
    m.model_version,
    CASE
        WHEN m.is_active THEN 'is active'
        WHEN EXISTS (
            SELECT FROM public.model_activations AS a WHERE a.model_version = m.model_version
        ) THEN 'was active'
        ELSE 'was not activated'
    END AS state,
    m.meta ->> 'verdict' AS verdict
FROM public.recommender_models AS m
ORDER BY m.id
"""

EVALUATE = "SELECT recommender.evaluate_guardrails()::text"

NO_STUDENT = (
    "there is no active student, so there is no list to show and nobody to sign a token for"
)

NO_SITE = """
the events site is closed: on it everybody may be anybody, and these users may be real
open in a browser:
  SERVER/desk    the desk, with an admin's token
"""

NEXT_STEPS = """
try next:
  make psql     psql on WHERE_IT_IS, and there:
    SELECT * FROM user_recommendations WHERE user_id = STUDENT ORDER BY rank LIMIT 10;
    SELECT * FROM recommender.status;         -- is all well, and what to do where it is not
  make help     everything else"""

QUEUE_IS_ON = "SELECT p.queue_enabled FROM recommender.parameters AS p"

SITE = """
open in a browser:
  SERVER/        the events site, as any student
  SERVER/desk    the desk, as the admin
"""

REQUESTS = """
as student STUDENT, for TOKEN_HOURS hours (another one:
.venv/bin/python scripts/issue_token.py --user-id …):
  curl -H 'Authorization: Bearer TOKEN' SERVER/api/recommendations
  curl -H 'Authorization: Bearer TOKEN' 'SERVER/api/events?sort=recommended&page_size=5'
CLICKthe API: SERVER/docs
"""

CLICK = """\
a click on an event below the first ten, and it is among them:
  curl -d '{"events": [{"interaction_type": "click", "event_id": EVENT}]}' \\
    -H 'Authorization: Bearer TOKEN' SERVER/api/analytics/interactions
"""

REQUESTS_OF_NOBODY = """
as nobody:
  curl SERVER/api/events
the API: SERVER/docs
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
    await _step("migrate.py")
    connection = await connect()
    try:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM public.users)"):
            console.print("there are users already: the population is kept as it is")
        else:
            await _make_population(connection, options)
        for population in await kept_plans(connection):
            await _fill_quiet_days(connection, population.plan)
        await _step("recompute_recommendations_ml.py")
        student = await _print_summary(connection)
        is_made_up = await connection.fetchval(IS_MADE_UP)
        runs_jobs = await connection.fetchval(QUEUE_IS_ON)
        event = await connection.fetchval(EXAMPLE_CLICK, student) if runs_jobs else None
    finally:
        await connection.close()
    if server_url:
        if is_made_up:
            os.environ.setdefault("DEMO_MODE", "true")
        if runs_jobs:
            _start_worker()
        _serve(server_url, student, event)
    return 0


async def _make_population(connection: Connection[Record], options: argparse.Namespace) -> None:
    for name, value in LIVELY.items():
        os.environ.setdefault(name, value)
    await store_environment(connection)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    await _step(
        "generate_population.py",
        f"--students={options.students}",
        f"--events={options.events}",
        f"--interactions-per-student={INTERACTIONS_PER_STUDENT}",
        f"--quiet-days={TRAFFIC_DAYS}",
        f"--as-of={now.isoformat()}",
    )


async def _fill_quiet_days(connection: Connection[Record], plan: Plan) -> None:
    """Let a first model be at work while students visit, and a guardrail judge it; once."""
    begin = plan.as_of - timedelta(days=plan.quiet_days)
    if not plan.quiet_days or await connection.fetchval(WAS_VISITED, begin):
        return
    if not await connection.fetchval(HAS_MODEL):
        await _step("recompute_recommendations_ml.py", f"--as-of={begin.isoformat()}")
        await connection.execute(DATE_MODELS)
    await _step(
        "simulate_traffic.py", f"--days={plan.quiet_days}", f"--as-of={plan.as_of.isoformat()}"
    )
    console.rule("[bold]SELECT recommender.evaluate_guardrails()", align="left")
    # Before the training, as every night.
    outcome = json.loads(await connection.fetchval(EVALUATE))
    print_result(f"guardrails: {outcome['action']}: {outcome['reason']}")


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
    opening = SITE if read_server_settings().demo_mode else NO_SITE
    text = f"{opening.strip()}\n{text.strip()}"
    for line in text.replace("SERVER", url).strip().split("\n"):
        print_result(line)
    console.print("Ctrl-C ends it")
    os.chdir(SCRIPTS.parent)
    os.execv(sys.executable, [sys.executable, "-m", "app"])


async def _step(script: str, *arguments: str) -> None:
    """Run one of the commands a person would type next time; it ends when this process is to."""
    console.rule(
        f"[bold]{' '.join((f'.venv/bin/python scripts/{script}', *arguments))}", align="left"
    )
    step = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPTS / script), *arguments)
    try:
        failed = await step.wait()
    except asyncio.CancelledError:
        # Ctrl-C has reached it as well; a signal to this process alone has not.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(step.wait(), SECONDS_TO_STOP)
        if step.returncode is None:
            step.terminate()
            await step.wait()
        raise
    if failed:
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
    for model in await connection.fetch(MODELS):
        print_result(f"model {model['model_version']} {model['state']}: {model['verdict']}")
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
