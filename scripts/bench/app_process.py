"""The app in a process of its own, as the benchmarks ask it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import jwt

from app.console import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[2]
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
"""Nothing else of the environment reaches the app: no setting of the recommender, no proxy."""
START_SECONDS = 30.0
STOP_SECONDS = 20.0


def kept_environment() -> dict[str, str]:
    """Give what of the environment the processes of a benchmark get."""
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}


def make_tokens(secret: str, user_ids: Iterable[int]) -> dict[int, str]:
    """Make a token for each user, good for a day."""
    expires = int(time.time()) + 86400
    return {
        user_id: jwt.encode({"sub": str(user_id), "exp": expires}, secret, algorithm="HS256")
        for user_id in user_ids
    }


@contextmanager
def run_app(
    url: str, secret: str, *arguments: str | Path, **settings: str
) -> Iterator[tuple[int, int]]:
    """Run the app by Python's arguments, with settings in its environment; give its id, port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environment = kept_environment() | {
        "DATABASE_URL": url,
        "SECRET_KEY": secret,
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            if not _answers(process, f"http://127.0.0.1:{port}/readyz"):
                log.seek(0)
                text = log.read().decode(errors="replace")
                raise UserError(f"the app did not get ready; its log ends with:\n{text[-3000:]}")
            yield process.pid, port
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Let a process end, and see to it that it does."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=START_SECONDS):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False
