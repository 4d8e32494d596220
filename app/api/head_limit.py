"""Requests whose line and headers are larger than allowed are refused before they are kept."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api.problems import Problem

if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from uvicorn import Config
    from uvicorn.server import ServerState

MAX_HEAD_BYTES = 65_536
PIECE_BYTES = 4_096
"""What the parser is given at once. Where in it one request ends and the next begins, the parser
does not tell, so the next one's bytes are counted from the piece after."""

TOO_LARGE = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class HeadLimit(HttpToolsProtocol):
    """uvicorn's HTTP, which by itself keeps headers of any size: answers 431 and hangs up.

    Counted is what is neither a body nor the end of a head, so what follows a chunked body as well.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_bytes = 0
        self._is_refused = False

    def data_received(self, data: bytes) -> None:
        """Pass the bytes to the parser as far as it may have them."""
        start = 0
        while start < len(data) and not self._is_refused and not self.transport.is_closing():
            piece = data[start : start + min(PIECE_BYTES, MAX_HEAD_BYTES - self._head_bytes)]
            start += len(piece)
            self._head_bytes += len(piece)
            super().data_received(piece)
            if self._head_bytes >= MAX_HEAD_BYTES:
                self._is_refused = True
                self._refuse()

    def on_headers_complete(self) -> None:
        """Begin to count anew."""
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Do not count a piece with some of a body in it."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count for the next request."""
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with what waited for this answer."""
        super().on_response_complete()
        if self._is_refused:
            self._refuse()

    def _refuse(self) -> None:
        """Answer 431, after the answers to requests that were sent before."""
        awaited = self.cycle and not self.cycle.response_complete and not self.cycle.more_body
        if awaited or self.transport.is_closing():
            return
        self.logger.warning("The request line and headers are too large.")
        detail = f"the request line and headers may have {MAX_HEAD_BYTES} bytes at most"
        answer = Problem(TOO_LARGE, detail).response({"path": ""})
        headers = [
            *self.server_state.default_headers,
            *answer.raw_headers,
            (b"connection", b"close"),
        ]
        self.transport.write(
            STATUS_LINE[TOO_LARGE]
            + b"".join(b"%b: %b\r\n" % header for header in headers)
            + b"\r\n"
            + bytes(answer.body)
        )
        self.transport.close()
