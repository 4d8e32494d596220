"""What a person at a terminal sees: one clear sentence per mistake, and the right exit code."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import asyncpg
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Coroutine

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

console = Console(stderr=True, highlight=False)
"""Progress and messages go to stderr; a command's result goes to stdout."""


def print_result(line: str) -> None:
    """Write one line of a command's result to stdout, as it is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class UserError(Exception):
    """A mistake a person can mend: one sentence with what was wrong, which value, what to do."""

    exit_code = EXIT_FAILURE


class UsageError(UserError):
    """The command was called wrongly (exit code 2)."""

    exit_code = EXIT_USAGE


def describe_database_error(error: asyncpg.PostgresError) -> str:
    """Join the server's message, detail and hint into one line."""
    parts = (error.args[0] if error.args else type(error).__name__, error.detail, error.hint)
    return " ".join(str(part).rstrip(".") + "." for part in parts if part)


def fail(message: str, exit_code: int = EXIT_FAILURE) -> NoReturn:
    """Print the sentence to stderr and leave with the exit code."""
    console.print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    sys.exit(exit_code)


def run(main: Coroutine[Any, Any, int | None]) -> NoReturn:
    """Run a command to its end; expected errors become one sentence, never a traceback."""
    try:
        sys.exit(asyncio.run(main) or 0)
    except UserError as error:
        fail(str(error), error.exit_code)
    except asyncpg.PostgresError as error:
        fail(describe_database_error(error))
    except (OSError, asyncpg.InterfaceError) as error:
        fail(f"the database connection failed: {error}")
    except KeyboardInterrupt:
        fail("interrupted", EXIT_INTERRUPTED)
