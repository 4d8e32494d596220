"""How large a body may be, however its length is said, and how slow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from app.api.body_limit import BodyLimit, read_body
from app.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message, Receive, Scope, Send

LIMIT = 10
SECONDS_TO_ARRIVE = 0.2
PATIENCE_SECONDS = 30
CHUNKED = [(b"transfer-encoding", b"chunked")]


class Conversation:
    """One request as a server passes it on, to an application that reads the whole body."""

    def __init__(self, headers: list[tuple[bytes, bytes]], chunks: Iterable[bytes]) -> None:
        self.headers = headers
        self.left = list(chunks)
        self.body: bytes | None = None
        """What the application has read, if it was called."""
        self.breaks_off = False
        self.pause = 0.0
        """Seconds before each of the empty parts that follow the chunks without end, if not 0."""
        self.status = 0
        self.answer_headers: dict[bytes, bytes] = {}

    def run(self) -> Conversation:
        scope = {"type": "http", "path": "/api/x", "method": "POST", "headers": self.headers}
        limit = BodyLimit(self.application, LIMIT, SECONDS_TO_ARRIVE)
        asyncio.run(asyncio.wait_for(limit(scope, self.receive, self.send), PATIENCE_SECONDS))
        return self

    async def application(self, _scope: Scope, receive: Receive, send: Send) -> None:
        body, is_more = b"", True
        while is_more:
            message = await receive()
            body += message["body"]
            is_more = message["more_body"]
        self.body = body
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive(self) -> Message:
        if not self.left and self.pause:
            await asyncio.sleep(self.pause)
            return {"type": "http.request", "body": b"", "more_body": True}
        if not self.left:
            return {"type": "http.disconnect"}
        chunk = self.left.pop(0)
        return {
            "type": "http.request",
            "body": chunk,
            "more_body": bool(self.left) or self.breaks_off or bool(self.pause),
        }

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answer_headers = dict(message["headers"])


@pytest.mark.parametrize("length", [0, 1, LIMIT])
def test_a_body_up_to_the_limit_passes(length: int) -> None:
    body = b"x" * length
    declared = Conversation([(b"content-length", b"%d" % length)], [body]).run()
    assert (declared.status, declared.body) == (200, body)
    chunked = Conversation(CHUNKED, [*(b"x" for _ in range(length)), b""]).run()
    assert (chunked.status, chunked.body) == (200, body)


def test_a_longer_one_that_says_so_is_refused_unread() -> None:
    conversation = Conversation([(b"content-length", b"%d" % (LIMIT + 1))], [b"x"]).run()
    assert conversation.status == 413
    assert conversation.body is None
    assert conversation.left == [b"x"]


def test_a_longer_one_in_chunks_is_refused_before_anything_reads_it() -> None:
    conversation = Conversation(CHUNKED, [b"xx"] * 1000).run()
    assert conversation.status == 413
    assert conversation.body is None
    assert len(conversation.left) == 1000 - LIMIT // 2 - 1, "no more was read than needed"


def test_half_a_body_is_not_taken_for_a_whole_one_when_the_client_leaves() -> None:
    conversation = Conversation(CHUNKED, [b"half"])
    conversation.breaks_off = True
    conversation.run()
    assert conversation.body is None
    assert conversation.status == 0


@pytest.mark.parametrize("pause", [3600, 0.01], ids=["it stalls", "it drips"])
def test_one_that_does_not_arrive_is_answered_and_the_connection_closed(pause: float) -> None:
    conversation = Conversation(CHUNKED, [b"hel"])
    conversation.pause = pause
    conversation.run()
    assert conversation.status == 408
    assert conversation.answer_headers[b"connection"] == b"close"
    assert conversation.answer_headers[b"content-type"] == b"application/problem+json"
    assert conversation.body is None


def test_whoever_wants_a_declared_body_gets_it_whole() -> None:
    conversation = Conversation([], [b"some", b"thing", b""])
    assert asyncio.run(read_body(conversation.receive)) == b"something"


def test_whoever_wants_one_gets_none_when_the_client_leaves() -> None:
    conversation = Conversation([], [b"half"])
    conversation.breaks_off = True
    assert asyncio.run(read_body(conversation.receive)) is None


@pytest.mark.parametrize("pause", [3600, 0.01], ids=["it stalls", "it drips"])
def test_whoever_wants_one_does_not_wait_for_ever(pause: float) -> None:
    conversation = Conversation([], [b"hel"])
    conversation.pause = pause
    with pytest.raises(Problem) as refusal:
        asyncio.run(
            asyncio.wait_for(read_body(conversation.receive, SECONDS_TO_ARRIVE), PATIENCE_SECONDS)
        )
    assert refusal.value.status == 408
    assert refusal.value.headers == {"Connection": "close"}
