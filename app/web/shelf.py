"""Static files under paths that carry a hash of what is there, so that browsers keep them."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from app.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import Headers
    from starlette.requests import Request

MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
PACKED_ALREADY = {".png"}
HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
"""For ever: what changes gets another path."""


class Shelf:
    """Some files by name, all under one hash: each finds the others by their names alone."""

    def __init__(self, prefix: str, files: Mapping[str, bytes]) -> None:
        digest = hashlib.sha256()
        for name in sorted(files):
            digest.update(f"{name}\0".encode() + hashlib.sha256(files[name]).digest())
        self._prefix = prefix
        self._hash = digest.hexdigest()[:16]
        self._files = files
        self._packed: dict[str, bytes] = {}

    @property
    def path(self) -> str:
        """Give the path under which the files are, such as /static/0123456789abcdef."""
        return f"{self._prefix}/{self._hash}"

    def route(self) -> Route:
        """Give the route that serves them; another hash, or an unknown name, is a 404."""
        return Route(f"{self._prefix}/{{shelf}}/{{name}}", self._show, methods=["GET"])

    async def _show(self, request: Request) -> Response:
        name = request.path_params["name"]
        content = self._files.get(name)
        if content is None or request.path_params["shelf"] != self._hash:
            raise Problem(HTTPStatus.NOT_FOUND, "there is nothing at this path")
        headers = HEADERS
        kind = PurePosixPath(name).suffix
        if kind not in PACKED_ALREADY and _takes_gzip(request.headers):
            content = self._packed.get(name)
            if content is None:
                # Once, and not while others wait: a chart library takes a third of a second.
                content = await asyncio.to_thread(gzip.compress, self._files[name], 6, mtime=0)
                self._packed[name] = content
            headers = {**HEADERS, "Content-Encoding": "gzip"}
        return Response(content, headers=headers, media_type=MEDIA_TYPES[kind])


def _takes_gzip(headers: Headers) -> bool:
    """Say whether gzip is named among the encodings, and not with a weight of 0."""
    for part in headers.get("accept-encoding", "").lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return weight.rstrip("0") not in {"0.", "0", ""} if weight else True
    return False
