"""Run the jobs of the queue: `python -m app.worker`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import NoReturn

from app.console import UsageError, UserError, fail
from app.logs import set_up_logs
from app.settings import FOR_ONE_COMMAND, read_settings, settings_model
from app.worker.settings import WorkerSettings, read_worker_settings
from app.worker.start import QUEUE_IS_OFF
from app.worker.work import work


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    own = "".join(
        f"\n  {name.upper():<20} {field.description}"
        + (f" (default: {field.default})" if field.default is not None else "")
        for name, field in WorkerSettings.model_fields.items()
    )
    shared = "".join(
        f"\n  {name.upper()}" for name in settings_model().model_fields if name != FOR_ONE_COMMAND
    )
    parser = argparse.ArgumentParser(
        prog="python -m app.worker",
        description="Run the jobs of the queue until a signal comes, any number of workers on one"
        f" database.\nEnvironment variables configure it:\n{own}\n\nand those it stores where SQL"
        f" finds them, too (TASK_QUEUE_ENABLED has to be true):\n{shared}",
        epilog="What the shared ones take: docs/http-api.md; how jobs live: docs/jobs.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop, too, when standard input ends: with whoever holds its other end",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Work until a signal comes; what runs then is ended or handed back first."""
    try:
        options = parse_arguments(arguments)
        settings = read_worker_settings()
        # Refused before anything is stored: SQL reads them from its table, for everybody.
        given = read_settings()
        if (
            given.model_fields_set & {"task_queue_enabled"}
            and not vars(given)["task_queue_enabled"]
        ):
            raise UsageError(QUEUE_IS_OFF)
        set_up_logs(settings.log_level, settings.log_format)
        asyncio.run(
            work(
                settings.address(),
                settings.worker_concurrency,
                until_stdin_closes=options.until_stdin_closes,
            )
        )
    except UserError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(0)
    sys.exit(0)


if __name__ == "__main__":
    main()
