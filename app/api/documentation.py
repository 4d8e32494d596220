"""/openapi.json, and /docs: the same for people, by a packaged Swagger UI, without a network."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

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
<link rel="stylesheet" href="docs/HASH/page.css">
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</noscript>
<script src="docs/HASH/swagger-ui-bundle.js"></script>
<script src="docs/HASH/start.js"></script>
</body>
</html>
"""

START_SCRIPT = """\
const withoutPatterns = () => ({
    wrapComponents: {
        ParameterExt: (Original, { React }) => (props) =>
            props.xKey === "pattern" ? null : React.createElement(Original, props),
    },
});
SwaggerUIBundle({
    domNode: document.getElementById("page"),
    url: "openapi.json",
    validatorUrl: null,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    showCommonExtensions: true,
    plugins: [withoutPatterns],
});
"""
"""Bounds of parameters are shown; their patterns are for programs."""

STYLE_SHEET = """\
body { margin: 0; }
.swagger-ui .info { margin: 24px 0 16px; }
.swagger-ui .scheme-container { margin: 0; padding: 0 0 16px; box-shadow: none; }
.swagger-ui .response-col_links { display: none; }
@media (max-width: 640px) {
    .swagger-ui .opblock-tag { flex-wrap: wrap; }
    .swagger-ui .opblock-tag a { flex: 1; }
    .swagger-ui .opblock-tag small { order: 1; flex: 1 0 100%; padding: 0; }
}
"""

MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
}
BUNDLED = ("favicon-32x32.png", "swagger-ui-bundle.js", "swagger-ui.css")
SWAGGER_UI = Path(str(distribution("swagger-ui-py").locate_file("swagger_ui/static")))
"""Found without importing the package, which is for serving these files through Jinja."""


def documentation_routes() -> list[Route]:
    """Give the routes of the document, of the page, and of what the page is made of."""
    document = json.dumps(openapi_document(), indent=2).encode()
    assets = {
        **{name: (SWAGGER_UI / name).read_bytes() for name in BUNDLED},
        "page.css": STYLE_SHEET.encode(),
        "start.js": START_SCRIPT.encode(),
    }
    digest = hashlib.sha256()
    for name in sorted(assets):
        digest.update(hashlib.sha256(assets[name]).digest())
    shelf = digest.hexdigest()[:16]
    page = PAGE.replace("HASH", shelf).encode()

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
