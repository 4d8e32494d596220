"""Clients that ask one request after the other, whatever comes back, until told to stop."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from tests.support.api_server import ANSWER_SECONDS, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PATHS = ("/api/recommendations", "/api/events?sort=recommended", "/api/me/personalization")
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Answer:
    """What a client got for a request; status 0 where it got no answer."""

    path: str
    status: int
    content_type: str = ""
    retry_after: str = ""
    text: str = ""


@dataclass
class Load:
    """Every answer so far."""

    answers: list[Answer] = field(default_factory=list)
    clients: list[threading.Thread] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def count(self, status: int) -> int:
        return Counter(answer.status for answer in self.answers)[status]

    def wait_for(self, status: int, more: int = 50) -> None:
        """Wait until that many more answers of this status have come."""
        seen = self.count(status)
        wait_for(
            lambda: self.count(status) >= seen + more,
            lambda: f"{more} answers {status} did not come: {self.summary()}",
        )

    def stop(self) -> None:
        """Let the clients end once they have the answers they wait for."""
        self.stopped.set()
        for client in self.clients:
            client.join()

    def summary(self) -> str:
        by_status = Counter(answer.status for answer in self.answers)
        last = [answer.text[:200] for answer in self.answers[-3:]]
        return f"{dict(by_status)}, the last ones {last}"

    def assert_statuses(self, *allowed: int) -> None:
        """See that nothing else came, and that a client that was turned away knows what to do."""
        wrong = [answer for answer in self.answers if answer.status not in allowed]
        assert wrong == [], wrong[:5]
        for answer in self.answers:
            if answer.status == 503:
                assert answer.content_type == "application/problem+json"
                assert answer.retry_after


@contextmanager
def load(
    url: str,
    users: Sequence[int],
    *,
    clients: int = 8,
    paths: Sequence[str] = PATHS,
    patience: float = ANSWER_SECONDS,
) -> Iterator[Load]:
    """Ask from several clients while the block runs; `patience` is how long each waits."""
    made = Load()
    made.clients = [
        threading.Thread(target=_ask, args=(made, url, users[number % len(users)], paths, patience))
        for number in range(clients)
    ]
    for client in made.clients:
        client.start()
    try:
        yield made
    finally:
        made.stop()


def _ask(made: Load, url: str, user: int, paths: Sequence[str], patience: float) -> None:
    headers = {"Authorization": f"Bearer {token(user)}"}
    with httpx.Client(base_url=url, timeout=patience, trust_env=False, headers=headers) as client:
        while not made.stopped.is_set():
            for path in paths:
                made.answers.append(ask(client, path))


def ask(client: httpx.Client, path: str, method: str = "GET") -> Answer:
    try:
        answer = client.request(method, path)
    except httpx.HTTPError as error:
        time.sleep(POLL_SECONDS)
        return Answer(path, 0, text=repr(error))
    return Answer(
        path,
        answer.status_code,
        answer.headers.get("content-type", ""),
        answer.headers.get("retry-after", ""),
        answer.text,
    )


def wait_for(
    condition: Callable[[], bool],
    trouble: Callable[[], str],
    seconds: float = ANSWER_SECONDS,
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(trouble())
        time.sleep(POLL_SECONDS)
