"""The worker as users run it: `python -m app.worker` in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.api_server import KEPT_VARIABLES, ROOT, START_SECONDS, STOP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

READY = "runs jobs"
TRAINING = "app.worker.training_process"


@dataclass
class WorkerProcess:
    """A worker's process and what it has written."""

    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def ended_jobs(self, job_type: str) -> list[int]:
        """The ids of the jobs of a type that it says it has ended."""
        found = re.findall(rf": job (\d+) {job_type}, attempt", self.log())
        return [int(job_id) for job_id in found]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until the process has ended, and give its exit code."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"the worker did not stop within {STOP_SECONDS} seconds\n{self.log()[-3000:]}"
            ) from None

    def stop(self) -> int:
        """End the process as a supervisor would, and give its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """End the process without asking it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_SECONDS)

    def trainings(self) -> list[int]:
        """The processes that train for this worker."""
        return [
            int(line.split()[0])
            for line in _processes()
            if TRAINING in line and line.split()[1] == str(self.process.pid)
        ]


def is_alive(pid: int) -> bool:
    return any(line.split()[0] == str(pid) and line.split()[2][0] != "Z" for line in _processes())


def _processes() -> list[str]:
    """Pid, parent, state and command of every process."""
    listed = subprocess.run(
        ["ps", "-ewwo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


def launch_worker(database_url: str, log_file: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start `python -m app.worker`; the queue is on unless the variables given say otherwise."""
    variables = {
        "DATABASE_URL": database_url,
        "TASK_QUEUE_ENABLED": "true",
        "PYTHONUNBUFFERED": "1",
        **environment,
    }
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    with log_file.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "app.worker"],
            cwd=ROOT,
            env=kept | {name: value for name, value in variables.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


@contextmanager
def working(
    database_url: str, *, until: str = READY, **environment: str
) -> Iterator[WorkerProcess]:
    """Run a worker, from when it has said `until`; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="eventrank-worker-") as directory:
        log_file = Path(directory) / "log"
        worker = WorkerProcess(launch_worker(database_url, log_file, **environment), log_file)
        try:
            _wait_until_said(worker, until)
            yield worker
        finally:
            if worker.process.poll() is None:
                worker.signal(signal.SIGCONT)
                worker.process.terminate()
            try:
                worker.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()


def _wait_until_said(worker: WorkerProcess, words: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while words not in worker.log():
        code = worker.process.poll()
        assert code is None, f"the worker ended with code {code}\n{worker.log()}"
        assert time.monotonic() < deadline, f"the worker does not start\n{worker.log()}"
        time.sleep(0.02)
