"""The pages: one shell of HTML a face, which a module of JavaScript fills from the API."""

from __future__ import annotations

import html
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from app.web.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

HERE = Path(__file__).resolve().parent
CHARTS = Path(str(distribution("plotly").locate_file("plotly/package_data/plotly.min.js")))
"""Found without importing the package, which is for making such charts from Python."""

CHART_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    " 'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"
)
"""The style elements plotly.js makes: an empty one that it fills rule by rule, and that of maps."""


class Page(NamedTuple):
    """A page: where it is, what it is called, the module of static/ that fills it."""

    path: str
    title: str
    module: str


SITE_PAGES = (
    Page("/", "Events", "site-events.js"),
    Page("/events/{id}", "Event", "site-event.js"),
    Page("/profile", "Your interests", "site-profile.js"),
    Page("/sign-in", "Choose a student", "site-sign-in.js"),
)
DESK_PAGES = (
    Page("/desk", "Status", "desk-status.js"),
    Page("/desk/quality", "Quality", "desk-quality.js"),
    Page("/desk/models", "Models", "desk-models.js"),
    Page("/desk/guardrails", "Guardrails", "desk-guardrails.js"),
    Page("/desk/jobs", "Jobs", "desk-jobs.js"),
    Page("/desk/students", "Students", "desk-students.js"),
    Page("/desk/students/{id}", "Student", "desk-student.js"),
    Page("/desk/sign-in", "Sign in", "desk-sign-in.js"),
)


def page_headers(more_styles: str = "") -> dict[str, str]:
    """Give the headers of a page that loads from its own server only, and has nothing inline."""
    styles = f"'self' {more_styles}".strip()
    return {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:;"
            " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def web_routes(*, desk: bool, demo: bool) -> list[Route]:
    """Give the pages of the faces that are switched on, and their static files."""
    if not (desk or demo):
        return []
    static = Shelf(
        "/static",
        {path.name: path.read_bytes() for path in sorted((HERE / "static").iterdir())},
    )
    routes = [static.route()]
    if desk:
        charts = Shelf("/charts", {CHARTS.name: CHARTS.read_bytes()})
        routes.append(charts.route())
        routes += _shells(
            "desk.html",
            DESK_PAGES,
            page_headers(CHART_STYLES),
            STATIC=static.path,
            CHARTS=charts.path,
            DEMO="true" if demo else "false",
        )
    if demo:
        routes += _shells(
            "site.html",
            SITE_PAGES,
            page_headers(),
            STATIC=static.path,
            DESK="true" if desk else "false",
        )
    return routes


def _shells(
    shell: str, pages: Sequence[Page], headers: dict[str, str], **values: str
) -> list[Route]:
    """Give the pages of one shell; what it has in braces, such as {STATIC}, is put in."""
    text = (HERE / "pages" / shell).read_text(encoding="utf-8")
    return [
        _route(page, _fill(text, TITLE=page.title, MODULE=page.module, **values), headers)
        for page in pages
    ]


def _fill(text: str, **values: str) -> bytes:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", html.escape(value))
    return text.encode()


def _route(page: Page, content: bytes, headers: dict[str, str]) -> Route:
    async def show(_request: Request) -> Response:
        return Response(content, media_type="text/html", headers=headers)

    return Route(page.path, show, methods=["GET"])
