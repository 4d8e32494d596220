"""Answers that say what went wrong, as application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Scope

PROBLEM_JSON = "application/problem+json"

API_PREFIX = "/api/"
API_HEADERS = {"Cache-Control": "private, no-store", "Vary": "Authorization, Accept-Language"}
"""Every answer under /api/ is about the one who asks, in that reader's language."""

TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 has them; Python's own words changed with 3.13."""

RETRY_AFTER = {"Retry-After": "1"}


class Problem(Exception):  # noqa: N818 (the name that RFC 9457 gives it)
    """Ends a request with this answer."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.errors = errors

    def response(self, scope: Scope) -> Response:
        """Give the answer; whoever is told to come again is told when."""
        content: dict[str, Any] = {
            "type": "about:blank",
            "title": TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors is not None:
            content["errors"] = self.errors
        caching = (
            API_HEADERS if scope["path"].startswith(API_PREFIX) else {"Cache-Control": "no-store"}
        )
        retry = RETRY_AFTER if self.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
        return Response(
            json.dumps(content, ensure_ascii=False).encode(),
            self.status,
            {**caching, **retry, **self.headers},
            PROBLEM_JSON,
        )
