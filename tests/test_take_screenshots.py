"""The pictures of docs/screenshots/: each page when it is ready, as the one it is for, small."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from scripts.take_screenshots import shrink

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "take_screenshots.py"
PNG = b"\x89PNG\r\n\x1a\n"
PAGE = """<!doctype html><html lang="en"><title>{path}</title><style>
body {{ height: 5000px; background: {color}; }}
@media (prefers-color-scheme: dark) {{ body {{ background: black; }} }}
</style><body><p>{path}</p>{script}</body></html>"""
READY = (
    "<script>setTimeout(() => { document.documentElement.dataset.ready = 'true'; }, 50)</script>"
)


class Face(BaseHTTPRequestHandler):
    """Two faces that know who may see what; /desk/jobs is never ready."""

    def do_GET(self) -> None:
        path = self.path
        cookie = self.headers.get("Cookie", "")
        if path == "/api/demo/students":
            self._answer(json.dumps({"items": [{"id": 42}, {"id": 43}]}))
        elif path == "/api/recommendations" and "seat=student-42" in cookie:
            self._answer(json.dumps([{"id": 7}, {"id": 8}]))
        elif self._is_closed(path, cookie):
            self._answer("", 401)
        elif path.startswith("/api"):
            self._answer("", 404)
        else:
            script = "" if path == "/desk/jobs" else READY
            self._answer(PAGE.format(path=path, color="white", script=script), kind="text/html")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "null")
        origin = f"http://{self.headers['Host']}"
        if self.headers.get("Origin") != origin:
            self._answer("", 403)
        elif self.path == "/api/demo/session":
            self._answer("{}", cookie=f"seat=student-{body['user_id']}; Path=/")
        elif self.path == "/api/demo/desk-session":
            self._answer("{}", cookie="seat=desk; Path=/")
        else:
            self._answer("", 404)

    def _is_closed(self, path: str, cookie: str) -> bool:
        if path in ("/events/7", "/profile"):
            return "seat=student-42" not in cookie
        return path == "/desk/students/42" and "seat=desk" not in cookie

    def _answer(
        self, text: str, status: int = 200, kind: str = "application/json", cookie: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Face) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def take(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *flags],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


pytestmark = pytest.mark.any_server

needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="there is no chromium on the PATH"
)


@needs_chromium
def test_each_page_is_taken_wide_and_narrow_light_and_dark(url: str, tmp_path: Path) -> None:
    pages = ("event", "profile", "desk-student", "sign-in")
    done = take("--url", url, f"--directory={tmp_path}", *(f"--page={page}" for page in pages))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"16 pictures in {tmp_path}, ")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{page}-{device}-{scheme}.png"
        for page in pages
        for device in ("desktop", "phone")
        for scheme in ("light", "dark")
    }
    for path in tmp_path.iterdir():
        picture = path.read_bytes()
        assert picture.startswith(PNG)
        assert len(picture) <= 80_000
        width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
        # The page is far longer: a picture is as much of it as one wants to look at.
        assert (width, height) == ((1280, 1200) if "desktop" in path.name else (390, 2000))
    light, dark = (
        (tmp_path / f"profile-phone-{scheme}.png").read_bytes() for scheme in ("light", "dark")
    )
    assert light != dark


@needs_chromium
def test_a_page_that_is_never_ready_is_named(url: str, tmp_path: Path) -> None:
    failed = take("--url", url, f"--directory={tmp_path}", "--page=desk-jobs", "--seconds=0.5")
    assert failed.returncode == 1
    assert "/desk/jobs was not ready within 0.5 seconds" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_without_chromium_it_says_what_to_install(tmp_path: Path) -> None:
    failed = take(f"--directory={tmp_path}", PATH=str(tmp_path))
    assert failed.returncode == 1
    assert "there is no chromium" in failed.stderr
    assert "apt install chromium" in failed.stderr


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--url", "localhost"], ["--url", "'localhost'"]),
        (["--page", "home"], ["--page", "'home'"]),
        (["--seconds", "-1"], ["--seconds", "'-1'"]),
    ],
)
def test_a_wrong_flag_is_named_with_its_value(flags: list[str], named: list[str]) -> None:
    refused = take(*flags)
    assert refused.returncode == 2
    assert all(part in refused.stderr for part in named)


def test_a_picture_gets_as_many_colors_as_fit() -> None:
    noise = Image.frombytes("RGB", (300, 300), random.Random(1).randbytes(300 * 300 * 3))
    target = io.BytesIO()
    noise.save(target, format="PNG")
    small = shrink(target.getvalue())
    assert len(small) <= 80_000 < len(target.getvalue())
    with Image.open(io.BytesIO(small)) as image:
        assert image.mode == "P"
        assert image.size == (300, 300)
