"""The access log names paths, not queries: those hold what people search for, and tokens."""

from __future__ import annotations

import logging


def hide_queries() -> None:
    """Have uvicorn's access log end every address where its query begins."""
    logging.getLogger("uvicorn.access").addFilter(_without_queries)


def _without_queries(record: logging.LogRecord) -> bool:
    # A question mark of the path itself is percent-encoded there.
    record.args = tuple(
        argument.partition("?")[0] if isinstance(argument, str) else argument
        for argument in record.args or ()
    )
    return True
