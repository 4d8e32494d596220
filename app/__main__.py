"""Serve the HTTP API: `python -m app`."""

from __future__ import annotations

import argparse
import logging
import math
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from app.api.access_log import tame_access_log
from app.api.application import create_app
from app.api.body_limit import SECONDS_TO_ARRIVE
from app.api.head_limit import HeadLimit
from app.api.settings import SHORT_SECRET_BYTES, ServerSettings, read_server_settings
from app.console import UserError, console, fail
from app.logs import set_up_logs
from app.settings import FOR_ONE_COMMAND, read_settings, settings_model

if TYPE_CHECKING:
    from app.environment import LogFormat

BACKLOG = 2048
SECONDS_TO_FINISH = 5
"""What requests get to end in when the server is stopped, besides what they may wait for."""

logger = logging.getLogger("eventrank")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line, on which there is nothing to say but --help."""
    own = "".join(
        f"\n  {name.upper():<29} {field.description}"
        for name, field in ServerSettings.model_fields.items()
    )
    shared = "".join(
        f"\n  {name.upper()}" for name in settings_model().model_fields if name != FOR_ONE_COMMAND
    )
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="Serve the HTTP API until a signal comes. Environment variables configure it:"
        f"\n{own}\n\nand those it stores where SQL finds them, too:\n{shared}",
        epilog="What each takes, and all else: docs/http-api.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Serve until a signal comes; requests that are in flight are answered first."""
    try:
        parse_arguments(arguments)
        settings = read_server_settings()
        read_settings()  # only to refuse wrong ones now: SQL reads them from its table
        set_up_logs(settings.log_level, settings.log_format)
        tame_access_log()
        if settings.has_short_secret:
            _warn_of_short_secret(settings.log_format)
        application = create_app(settings)
        sockets = listen(settings.host, settings.port)
    except UserError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(0)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            http=HeadLimit,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level=settings.log_level,
            access_log=logger.isEnabledFor(logging.INFO),
            server_header=False,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            timeout_graceful_shutdown=SECONDS_TO_FINISH
            + math.ceil(max(settings.database_timeout_seconds, SECONDS_TO_ARRIVE)),
        )
    )
    # Also before uvicorn waits for signals, and when it raises them again once it is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    for listener in sockets:
        logger.info("serving on %s", url_of(listener))
    server.run(sockets)
    sys.exit(0 if server.started else 1)


def listen(host: str, port: int) -> list[socket.socket]:
    """Open a socket for every address of the host; a UserError says why it is not possible."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            listener = socket.create_server(
                address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=False
            )
            sockets.append(listener)
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise UserError(
            f"cannot listen on {where}: {_reason(error)};"
            " choose another HOST or PORT, or stop what listens there"
        ) from None
    return sockets


def url_of(listener: socket.socket) -> str:
    """Give the address under which a browser finds the server."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reason(error: OSError) -> str:
    """Give the system's words without Python's; those of a name that is not found are others."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return str(error.strerror or error).lower()
    return os.strerror(error.errno).lower()


def _warn_of_short_secret(log_format: LogFormat) -> None:
    warning = (
        f"SECRET_KEY has fewer than {SHORT_SECRET_BYTES} bytes: whoever guesses it can"
        " sign tokens for every user. Take random ones: python -c"
        ' "import secrets; print(secrets.token_urlsafe(48))"'
    )
    if log_format == "json":
        logger.warning(warning)
    else:
        console.print(f"warning: {warning}", style="bold red", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
