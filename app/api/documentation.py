"""/openapi.json, and /docs: the same for people, by a packaged Swagger UI, without a network."""

from __future__ import annotations

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from app.api.openapi import openapi_document
from app.web.pages import page_headers
from app.web.shelf import Shelf

if TYPE_CHECKING:
    from starlette.requests import Request

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>eventrank: the HTTP API</title>
<link rel="icon" type="image/png" href="SHELF/favicon-32x32.png">
<link rel="stylesheet" href="SHELF/swagger-ui.css">
<link rel="stylesheet" href="SHELF/page.css">
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</noscript>
<script src="SHELF/swagger-ui-bundle.js"></script>
<script src="SHELF/start.js"></script>
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
    shelf = Shelf("/docs", assets)
    page = PAGE.replace("SHELF", shelf.path.removeprefix("/")).encode()

    async def show_document(_request: Request) -> Response:
        return Response(
            document, media_type="application/json", headers={"Cache-Control": "no-cache"}
        )

    async def show_page(_request: Request) -> Response:
        return Response(page, media_type="text/html", headers=page_headers())

    return [
        Route("/openapi.json", show_document, methods=["GET"]),
        Route("/docs", show_page, methods=["GET"]),
        shelf.route(),
    ]
