"""Log lines for people or for machines, each with the request or the job that it is about."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from app.environment import LogFormat

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_about: ContextVar[dict[str, object] | None] = ContextVar("about", default=None)
"""What this task is at; its dict is its own."""

ENCODER = json.JSONEncoder(default=str)
"""Made once: json.dumps would make it anew for every line."""

FIELDS = "fields"
"""The attribute of a record with what only this line has to say: `extra={FIELDS: {…}}`."""


def set_up_logs(level: str, log_format: LogFormat) -> None:
    """Log to stderr, and whatever ends the process, too."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines(TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    if log_format == "json":
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_the_end


def begin(**fields: object) -> None:
    """Say what the rest of this task is about."""
    _about.set(fields)


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Say what the block is about."""
    token = _about.set(fields)
    try:
        yield
    finally:
        _about.reset(token)


def note(**fields: object) -> None:
    """Add to what all further lines of this task say of it; where it is about nothing, do not."""
    known = _about.get()
    if known is not None:
        known.update(fields)


def noted(name: str) -> object:
    """Give what is known of this task under a name, or None."""
    known = _about.get()
    return None if known is None else known.get(name)


class TextLines(logging.Formatter):
    """A line as a person reads it, with what it is about in brackets at its end."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Write the line; a traceback follows on lines of its own."""
        line = super().formatMessage(record)
        known = _about.get()
        if not known:
            return line
        return f"{line} [{' '.join(f'{name}={value}' for name, value in known.items())}]"


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record, a traceback inside of it."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(_about.get() or {}),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return ENCODER.encode(line)


def _log_the_end(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("eventrank").critical(
        "ended by a mistake of ours", exc_info=(kind, error, traceback)
    )
