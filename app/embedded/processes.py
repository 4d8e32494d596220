"""Which processes serve a data directory; process ids are reused, so a number proves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROC = Path("/proc")
HAS_PROC = (PROC / "self" / "stat").exists()

POLL_SECONDS = 0.02
QUIT_SECONDS = 5.0


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for the condition; say whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_alive(pid: int) -> bool:
    """Tell the living from the dead; a zombie only waits for its parent to notice."""
    if not HAS_PROC:
        state = _ps(pid, "stat=")
        return bool(state) and not state.startswith("Z")
    try:
        status = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def serves(pid: int, data_dir: Path) -> bool:
    """Tell a server of this data directory from a foreign process with the same number."""
    if not is_alive(pid):
        return False
    if not HAS_PROC:
        arguments = _ps(pid, "args=")
        return "postgres" in arguments and str(data_dir) in arguments
    try:
        program = (PROC / str(pid) / "comm").read_text(errors="replace").strip()
        # Every process of a server works in its data directory.
        return program == "postgres" and (PROC / str(pid) / "cwd").samefile(data_dir)
    except OSError:
        return False


def unannounced_postmaster(data_dir: Path) -> int | None:
    """Find a server that postmaster.pid does not name: just starting, or of another container."""
    for pid in _serving(data_dir):
        with suppress(OSError):
            # Its children write a title over their arguments.
            if b"-D" in (PROC / str(pid) / "cmdline").read_bytes().split(b"\0"):
                return pid
    return None


def end_orphans(data_dir: Path) -> None:
    """End the backends that outlived a killed postmaster: they hold its shared memory."""
    orphans = list(_serving(data_dir))
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if wait_until(lambda: not any(map(is_alive, orphans)), QUIT_SECONDS):
            return


def _serving(data_dir: Path) -> Iterator[int]:
    if HAS_PROC:
        pids = (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
        yield from (pid for pid in pids if serves(pid, data_dir))


def _ps(pid: int, column: str) -> str:
    command = ["ps", "-o", column, "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
