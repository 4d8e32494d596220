#!/usr/bin/env python3
"""Take the pictures of docs/screenshots/: every page of both faces, in two widths, light and dark.

Without --url a demo of its own is made and served from a database that is thrown away. A page is
taken once it says that it is ready; those of the site are seen as a student who has a list, those
of the desk as an admin.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import re
import secrets
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.arguments import number, whole_number
from app.console import EXIT_FAILURE, UserError, console, print_result, run
from app.database import configured_url
from scripts.bench.measure import throw_away_database

try:
    from PIL import Image
    from playwright.async_api import TimeoutError as NotInTime
    from playwright.async_api import async_playwright
except ImportError as error:
    console.print(f"error: {error.name} is missing: pip install -e '.[dev]'", markup=False)
    sys.exit(EXIT_FAILURE)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from playwright.async_api import APIRequestContext, Browser, BrowserContext

ROOT = Path(__file__).resolve().parents[1]
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]
"""Root may have no sandbox, and a container little shared memory."""

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
TALLEST = {"desktop": 1200, "phone": 2000}
"""Pixels of a page that are shown; what is below is more of the same."""
SCHEMES = ("light", "dark")
LARGEST_BYTES = 80_000
COLORS = (256, 128, 64, 48, 32, 24)
READY = 'html[data-ready="true"]'
SECONDS_TO_BUILD = 600


@dataclass(frozen=True)
class Shot:
    """A page: the name of its pictures, where it is, and as whom it is opened."""

    name: str
    path: str
    seat: str | None
    """The path that signs in; None: nobody."""


STUDENT, ADMIN = "/api/demo/session", "/api/demo/desk-session"
SHOTS = (
    Shot("events", "/", STUDENT),
    Shot("event", "/events/{event}", STUDENT),
    Shot("profile", "/profile", STUDENT),
    Shot("sign-in", "/sign-in", None),
    Shot("desk-status", "/desk", ADMIN),
    Shot("desk-quality", "/desk/quality", ADMIN),
    Shot("desk-models", "/desk/models", ADMIN),
    Shot("desk-guardrails", "/desk/guardrails", ADMIN),
    Shot("desk-jobs", "/desk/jobs", ADMIN),
    Shot("desk-students", "/desk/students", ADMIN),
    Shot("desk-student", "/desk/students/{student}", ADMIN),
    Shot("desk-sign-in", "/desk/sign-in", None),
)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Chromium has to be installed (Debian: apt install chromium).",
    )
    add = parser.add_argument
    add("--url", help="a server that runs already, in demo mode, e.g. http://127.0.0.1:8000")
    add(
        "--page",
        action="append",
        choices=[shot.name for shot in SHOTS],
        help="only this page; may be given again (default: all)",
    )
    add(
        "--directory",
        type=Path,
        default=ROOT / "docs" / "screenshots",
        metavar="DIR",
        help="where the pictures go (default: docs/screenshots)",
    )
    add("--students", type=whole_number(1, 20_000_000), default=400, help="default: %(default)s")
    add("--events", type=whole_number(2, 1_000_000), default=300, help="default: %(default)s")
    add(
        "--seconds",
        type=number(0.1, 600),
        default=20,
        help="how long a page may take to be ready (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if options.url and not re.match(r"https?://[^/]+/?$", options.url):
        parser.error(f"--url {options.url!r} is not the address of a server, http://host:port")
    return options


async def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parse_arguments(arguments)
    chromium = _find_chromium()
    options.directory.mkdir(parents=True, exist_ok=True)
    shots = [shot for shot in SHOTS if not options.page or shot.name in options.page]
    if options.url:
        sizes = await _take_all(options, options.url.rstrip("/"), chromium, shots)
    else:
        async with _serve_demo(options) as url:
            sizes = await _take_all(options, url, chromium, shots)
    print_result(
        f"{len(sizes)} pictures in {options.directory}, {sum(sizes) / 1000:,.0f} kB together,"
        f" the largest {max(sizes) / 1000:,.0f} kB"
    )
    return 0


def _find_chromium() -> str:
    """Give Chromium, before a minute of work ends without it."""
    if chromium := shutil.which("chromium"):
        return chromium
    raise UserError(
        "there is no chromium on the PATH: install it (Debian, Ubuntu: apt install chromium)"
    )


@asynccontextmanager
async def _serve_demo(options: argparse.Namespace) -> AsyncIterator[str]:
    """Make a demo in a database of its own, serve it, and leave nothing behind."""
    async with throw_away_database(configured_url()) as database:
        demo = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "scripts" / "demo.py"),
            f"--students={options.students}",
            f"--events={options.events}",
            env=os.environ
            | {
                "DATABASE_URL": database,
                "SECRET_KEY": secrets.token_hex(32),
                "HOST": "127.0.0.1",
                "PORT": "0",
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        draining = None
        try:
            with console.status("making a demo to take pictures of …"):
                url = await asyncio.wait_for(_wait_for_address(demo), SECONDS_TO_BUILD)
            assert demo.stderr is not None
            draining = asyncio.create_task(demo.stderr.read())
            yield url
        finally:
            if demo.returncode is None:
                demo.send_signal(signal.SIGINT)
            await demo.wait()
            if draining:
                await draining


async def _wait_for_address(demo: asyncio.subprocess.Process) -> str:
    assert demo.stderr is not None
    said = []
    async for line in demo.stderr:
        text = line.decode(errors="replace")
        if found := re.search(r"serving on (http://\S+)", text):
            return found[1]
        said.append(text)
    raise UserError(f"the demo ended without serving:\n{''.join(said[-20:])}")


async def _take_all(
    options: argparse.Namespace, url: str, chromium: str, shots: list[Shot]
) -> list[int]:
    sizes = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            with _progress() as progress:
                task = progress.add_task("pictures", total=len(shots) * len(SIZES) * len(SCHEMES))
                for device in SIZES:
                    for scheme in SCHEMES:
                        album = Album(browser, url, device, scheme, options.seconds)
                        for shot in shots:
                            picture = await album.take(shot)
                            name = f"{shot.name}-{device}-{scheme}.png"
                            (options.directory / name).write_bytes(picture)
                            sizes.append(len(picture))
                            progress.advance(task)
        finally:
            await browser.close()
    return sizes


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
    )


@dataclass
class Album:
    """Pictures of one size and color scheme."""

    browser: Browser
    url: str
    device: str
    scheme: str
    seconds: float

    async def take(self, shot: Shot) -> bytes:
        """Open a page in a browser that knows nothing, and take it once it is ready."""
        width, height = SIZES[self.device]
        context = await self.browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if self.scheme == "dark" else "light",
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
        )
        try:
            return await self._take(context, shot)
        finally:
            await context.close()

    async def _take(self, context: BrowserContext, shot: Shot) -> bytes:
        path = await self._sign_in(context.request, shot)
        page = await context.new_page()
        answer = await page.goto(path)
        if answer is None or not answer.ok:
            raise UserError(
                f"{self.url}{path} answers {answer.status if answer else 'nothing'}: is the server"
                " of this version, in demo mode, with its desk enabled?"
            )
        try:
            await page.wait_for_selector(READY, state="attached", timeout=self.seconds * 1000)
        except NotInTime:
            raise UserError(
                f"{path} was not ready within {self.seconds:g} seconds (--seconds): it never set"
                " data-ready on its root"
            ) from None
        box = await page.locator("html").bounding_box()
        width, height = SIZES[self.device]
        tall = max(height, min(TALLEST[self.device], round(box["height"]) if box else height))
        picture = await page.screenshot(
            full_page=True,
            animations="disabled",
            clip={"x": 0, "y": 0, "width": width, "height": tall},
        )
        return await asyncio.to_thread(shrink, picture)

    async def _sign_in(self, request: APIRequestContext, shot: Shot) -> str:
        """Sign in as the page wants it, and give its address."""
        if shot.seat is None:
            return shot.path
        students = await self._ask(request, "GET", "/api/demo/students")
        if not students["items"]:
            raise UserError(f"{self.url} has no student to show the pages of")
        student = students["items"][0]["id"]
        await self._ask(request, "POST", shot.seat, {"user_id": student})
        event = None
        if "{event}" in shot.path:
            events = await self._ask(request, "GET", "/api/recommendations")
            if not events:
                raise UserError(f"student {student} is recommended nothing, so no event is shown")
            event = events[0]["id"]
        return shot.path.format(student=student, event=event)

    async def _ask(
        self, request: APIRequestContext, method: str, path: str, data: object = None
    ) -> Any:
        # As the site's own pages do: whoever else uses a session's cookie is refused.
        answer = await request.fetch(
            path,
            method=method,
            headers={"Origin": self.url},
            data=data if method == "POST" else None,
        )
        if not answer.ok:
            raise UserError(
                f"{method} {self.url}{path} answers {answer.status}: is the server in demo mode"
                " (DEMO_MODE=true), as make demo starts it?"
            )
        return await answer.json()


def shrink(picture: bytes, largest: int = LARGEST_BYTES) -> bytes:
    """Give a PNG a palette, as many colors as fit into the bytes."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    smaller = picture
    for colors in COLORS:
        target = io.BytesIO()
        # Dithering would be noise to the compression, and pages have hardly any shades.
        palette = image.quantize(colors, dither=Image.Dither.NONE)
        palette.save(target, format="PNG", optimize=True)
        smaller = target.getvalue()
        if len(smaller) <= largest:
            break
    return smaller


if __name__ == "__main__":
    run(main())
