"""The access log names paths, not queries: those hold what people search for, and tokens."""

from __future__ import annotations

import logging

from app.logs import FIELDS

NAMES = ("client", "method", "path", "http_version", "status")
"""What uvicorn's line is made of, in its order."""


def tame_access_log() -> None:
    """Have uvicorn's access log end every address where its query begins, and name its parts."""
    logging.getLogger("uvicorn.access").addFilter(_without_queries)


def _without_queries(record: logging.LogRecord) -> bool:
    # A question mark of the path itself is percent-encoded there.
    record.args = tuple(
        argument.partition("?")[0] if isinstance(argument, str) else argument
        for argument in record.args or ()
    )
    if len(record.args) == len(NAMES):
        setattr(record, FIELDS, dict(zip(NAMES, record.args, strict=True)))
    return True
