"""A line to a server on which requests and answers may be lost."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSED_ON = {"cookie", "content-type", "origin", "sec-fetch-site", "accept-language"}
RETRY_AFTER = {"Retry-After": "7", "Content-Length": "0"}


class Fault(Enum):
    """What may become of a request."""

    NO_REQUEST = "the request does not arrive"
    NO_ANSWER = "the server answers, and the answer does not arrive"
    UNAVAILABLE = "a 503 comes back"
    TOO_MANY = "a 429 comes back"


@dataclass
class BadLine:
    """What stands between a browser and a server: it passes all on, until it is told not to."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    """What becomes of the next POSTs of telemetry; those after them get through."""
    is_down: bool = False
    """Whether none of them gets through until further notice."""

    def next_fault(self) -> Fault | None:
        if self.is_down:
            return Fault.NO_REQUEST
        return self.faults.pop(0) if self.faults else None


@contextmanager
def bad_line(server_url: str, path: str) -> Iterator[BadLine]:
    """Open a line to a server, on which POSTs to this path may be lost."""
    line = BadLine("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = None
            if self.command == "POST" and self.path == path:
                fault = line.next_fault()
            if fault is Fault.NO_REQUEST:
                self._hang_up()
            elif fault in {Fault.UNAVAILABLE, Fault.TOO_MANY}:
                self._answer(503 if fault is Fault.UNAVAILABLE else 429, RETRY_AFTER, b"")
            else:
                headers = {
                    name: value for name, value in self.headers.items() if name.lower() in PASSED_ON
                }
                answer = httpx.request(
                    self.command,
                    f"{server_url}{self.path}",
                    content=body,
                    headers=headers,
                    trust_env=False,
                )
                if fault is Fault.NO_ANSWER:
                    self._hang_up()
                else:
                    kept = {
                        name: value
                        for name, value in answer.headers.items()
                        if name not in {"content-encoding", "transfer-encoding"}
                    }
                    kept["content-length"] = str(len(answer.content))
                    self._answer(answer.status_code, kept, answer.content)

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.close()

        def log_message(self, *_arguments: Any) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        line.url = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield line
        finally:
            listener.shutdown()
            thread.join()
