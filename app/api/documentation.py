"""/openapi.json, and /docs: the same for people, by Swagger UI out of a package, without a network.

The newest Swagger UI in the package reads OpenAPI 3.0, so the page is given the document in it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import swagger_ui_bundle  # type: ignore[import-untyped]
from starlette.responses import Response
from starlette.routing import Route

from app.api.openapi import openapi_document
from app.api.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, and nothing inline but the pictures in Swagger UI's own style sheet."""

PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}
"""For ever, since a path carries the hash of what is there."""

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>eventrank: the HTTP API</title>
<link rel="icon" type="image/png" href="docs/HASH/favicon-32x32.png">
<link rel="stylesheet" href="docs/HASH/swagger-ui.css">
</head>
<body>
<div id="page" data-document="docs/HASH/openapi.json"></div>
<noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</noscript>
<script src="docs/HASH/swagger-ui-bundle.js"></script>
<script src="docs/HASH/start.js"></script>
</body>
</html>
"""

START_SCRIPT = """\
const page = document.getElementById("page");
SwaggerUIBundle({
    domNode: page,
    url: page.dataset.document,
    validatorUrl: null,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    showCommonExtensions: true,
});
"""

MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
}
BUNDLED = ("favicon-32x32.png", "swagger-ui-bundle.js", "swagger-ui.css")


def documentation_routes() -> list[Route]:
    """Give the routes of the document, of the page, and of what the page is made of."""
    assets = read_assets()
    digest = hashlib.sha256()
    for name in sorted(assets):
        digest.update(hashlib.sha256(assets[name]).digest())
    shelf = digest.hexdigest()[:16]
    page = PAGE.replace("HASH", shelf).encode()
    document = json.dumps(openapi_document(), indent=2).encode()

    async def show_document(_request: Request) -> Response:
        return Response(
            document, media_type="application/json", headers={"Cache-Control": "no-cache"}
        )

    async def show_page(_request: Request) -> Response:
        return Response(page, media_type="text/html", headers=PAGE_HEADERS)

    async def show_asset(request: Request) -> Response:
        name = request.path_params["name"]
        if request.path_params["shelf"] != shelf or name not in assets:
            raise Problem(404, "there is nothing at this path")
        media_type = MEDIA_TYPES[Path(name).suffix]
        return Response(assets[name], media_type=media_type, headers=ASSET_HEADERS)

    return [
        Route("/openapi.json", show_document, methods=["GET"]),
        Route("/docs", show_page, methods=["GET"]),
        Route("/docs/{shelf}/{name}", show_asset, methods=["GET"]),
    ]


def read_assets() -> dict[str, bytes]:
    """Read all that the page loads."""
    directory = newest_swagger_ui()
    return {
        **{name: (directory / name).read_bytes() for name in BUNDLED},
        "openapi.json": json.dumps(in_openapi_30(openapi_document())).encode(),
        "start.js": START_SCRIPT.encode(),
    }


def newest_swagger_ui() -> Path:
    """Give the directory of the newest Swagger UI that the package brings."""
    vendored = Path(swagger_ui_bundle.__file__).parent.glob("vendor/swagger-ui-*")
    return max(vendored, key=lambda path: [int(part) for part in path.name[11:].split(".")])


def in_openapi_30(document: dict[str, Any]) -> dict[str, Any]:
    """Say the same in OpenAPI 3.0, which says otherwise that a value may be null."""
    translated: dict[str, Any] = _with_nullable(document)
    return translated | {"openapi": "3.0.3"}


def _with_nullable(part: Any) -> Any:
    if isinstance(part, list):
        return [_with_nullable(item) for item in part]
    if not isinstance(part, dict):
        return part
    translated = {name: _with_nullable(value) for name, value in part.items()}
    match translated.get("type"):
        case [str(type_name), "null"]:
            translated |= {"type": type_name, "nullable": True}
    return translated
