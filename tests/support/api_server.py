"""The server as users run it, `python -m app` in a process of its own, and a client to ask it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import jwt

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a-secret-of-the-tests-that-is-long-enough-for-HS256"
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
"""Nothing else of the environment of the tests reaches the server: no setting, no proxy."""

START_SECONDS = 30
STOP_SECONDS = 20
ANSWER_SECONDS = 60
"""The bounds of a server or a test gone wrong; nothing takes nearly as long."""


def token(
    user_id: int | str, *, secret: str = SECRET, expires_in: float = 3600, **claims: object
) -> str:
    """Sign a token as the app that logs users in would; claims replace those of that name."""
    payload = {"sub": str(user_id), "exp": int(time.time() + expires_in), **claims}
    return jwt.encode(payload, secret, algorithm="HS256")


@dataclass
class ApiServer:
    """A server's process, its address, and a client that is connected to it."""

    url: str
    process: subprocess.Popen[bytes]
    client: httpx.Client
    log_file: Path

    def log(self) -> str:
        """What the process has written to stdout and stderr so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """End the process as a supervisor would, and give its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"the server did not stop within {STOP_SECONDS} seconds\n{_end(self.log())}"
            ) from None

    def kill(self) -> None:
        """End the process without asking it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_SECONDS)


def launch(database_url: str, log_file: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start `python -m app`; variables given replace the usual ones, an empty one is left out."""
    variables = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": SECRET,
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "PYTHONUNBUFFERED": "1",
        **environment,
    }
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    with log_file.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=ROOT,
            env=kept | {name: value for name, value in variables.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


@contextmanager
def serve(database_url: str, **environment: str) -> Iterator[ApiServer]:
    """Run a server that answers; it ends with the block."""
    port = environment.setdefault("PORT", str(free_port()))
    url = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory(prefix="eventrank-api-") as directory,
        httpx.Client(base_url=url, timeout=ANSWER_SECONDS, trust_env=False) as client,
    ):
        log_file = Path(directory) / "log"
        process = launch(database_url, log_file, **environment)
        server = ApiServer(url, process, client, log_file)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_until_ready(server: ApiServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        code = server.process.poll()
        if code is not None:
            raise AssertionError(f"the server ended with code {code}\n{_end(server.log())}")
        try:
            server.client.get("/healthz", timeout=START_SECONDS).raise_for_status()
        except (httpx.HTTPError, OSError) as error:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"no server within {START_SECONDS} seconds ({error})\n{_end(server.log())}"
                ) from None
            time.sleep(0.05)
        else:
            return


def _end(log: str, lines: int = 40) -> str:
    return "\n".join(["the end of its log:", *log.splitlines()[-lines:]])
