"""Signing in to a page: what the cookie is, what it opens, when it ends; and the pages' files."""

from __future__ import annotations

import gzip
import re
import time
from datetime import datetime
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

import httpx
import jwt
import pytest

from app.web.pages import DESK_PAGES, SITE_PAGES
from app.web.sessions import LIFE_SECONDS
from tests.support.api_server import SECRET, ApiServer, serve, token
from tests.support.site import Site, assert_problem, open_site
from tests.support.worlds import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.cookies import Morsel

    from tests.support.runner import Run

pytestmark = pytest.mark.any_server

DESK = "/api/admin/session"
STATUS = "/api/admin/personalization/status"
EVALUATE = "/api/admin/personalization/guardrails/evaluate"
DEMO = "/api/demo/session"
DEMO_DESK = "/api/demo/desk-session"
ME = "/api/me/personalization"

BOSS, STUDENT, FIRED = 1, 2, 3
OWN = {"Sec-Fetch-Site": "same-origin"}
NO_HEADERS: dict[str, str] = {}

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "{own}.elsewhere.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {},
]
"""What other sites' pages send, and what may be anybody's."""


@pytest.fixture(scope="module")
def opened(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run, DEMO_MODE="true") as site:
        yield site


@pytest.fixture
def site(opened: Site) -> Site:
    """An admin, a student, an admin who left."""
    world = World()
    assert world.student(role="admin", full_name="Ada") == BOSS
    assert world.student(full_name="Sam") == STUDENT
    assert world.student(role="admin", is_active=False) == FIRED
    opened.write(world)
    opened.set(task_queue_enabled="true")
    return opened


def ask(
    site: Site,
    method: str,
    path: str,
    *,
    cookie: str | None = None,
    headers: dict[str, str] = OWN,
    **more: object,
) -> httpx.Response:
    """Send one request with just this cookie, as a client without a jar."""
    filled = {name: value.format(own=site.server.url) for name, value in headers.items()}
    if cookie is not None:
        filled["Cookie"] = cookie
    with httpx.Client(base_url=site.server.url, trust_env=False, timeout=60) as client:
        return client.request(method, path, headers=filled, **more)  # type: ignore[arg-type]


def begin(site: Site, given: str, **headers: str) -> httpx.Response:
    return ask(site, "POST", DESK, json={"token": given}, headers=OWN | headers)


def cookie_of(answer: httpx.Response) -> Morsel[str]:
    (header,) = answer.headers.get_list("set-cookie")
    ((_, morsel),) = SimpleCookie(header).items()
    return morsel


def sent(answer: httpx.Response) -> str:
    """The cookie as a browser sends it back."""
    morsel = cookie_of(answer)
    return f"{morsel.key}={morsel.value}"


def signed_in(site: Site, expires_in: float = 7200) -> str:
    answer = begin(site, token(BOSS, expires_in=expires_in))
    assert answer.status_code == 200, answer.text
    return sent(answer)


def as_student(site: Site) -> str:
    answer = ask(site, "POST", DEMO, json={"user_id": STUDENT})
    assert answer.status_code == 200, answer.text
    return sent(answer)


# Beginning


def test_an_admin_exchanges_a_token_for_a_cookie_that_scripts_and_others_never_see(
    site: Site,
) -> None:
    answer = begin(site, token(BOSS, expires_in=7200))
    assert answer.status_code == 200, answer.text
    session = answer.json()
    assert (session["user_id"], session["full_name"]) == (BOSS, "Ada")
    cookie = cookie_of(answer)
    assert cookie.key == "eventrank_desk"
    assert cookie["path"] == "/api/admin/"
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Strict"
    assert cookie["domain"] == ""
    assert LIFE_SECONDS - 5 <= int(cookie["max-age"]) <= LIFE_SECONDS == 3600
    assert token(BOSS).split(".")[2] not in cookie.value


def test_only_https_makes_the_cookie_secure(site: Site) -> None:
    assert cookie_of(begin(site, token(BOSS)))["secure"] == ""
    # The server trusts a proxy on its own machine, which says how it was asked.
    forwarded = begin(site, token(BOSS), **{"X-Forwarded-Proto": "https"})
    assert cookie_of(forwarded)["secure"] is True


def test_a_session_ends_with_its_token_or_after_an_hour(site: Site) -> None:
    for expires_in, expected in ((7200, 3600), (600, 600)):
        answer = begin(site, token(BOSS, expires_in=expires_in))
        assert expected - 5 <= int(cookie_of(answer)["max-age"]) <= expected
        ends = datetime.fromisoformat(answer.json()["expires_at"]).timestamp()
        assert abs(ends - time.time() - expected) <= 5
        shown = ask(site, "GET", DESK, cookie=sent(answer))
        assert shown.json() == answer.json()


def test_a_session_that_is_over_opens_nothing(site: Site) -> None:
    claims = {"sub": str(BOSS), "aud": "eventrank_desk"}
    over = jwt.encode({**claims, "exp": int(time.time()) - 1}, SECRET, algorithm="HS256")
    good = jwt.encode({**claims, "exp": int(time.time()) + 60}, SECRET, algorithm="HS256")
    for value, status in ((over, 401), (good, 200)):
        cookie = f"eventrank_desk={value}"
        assert ask(site, "GET", STATUS, cookie=cookie).status_code == status
        assert ask(site, "GET", DESK, cookie=cookie).status_code == status


def test_a_token_that_has_just_expired_begins_no_session(site: Site) -> None:
    # The API would still take it, for clocks that differ.
    late = token(BOSS, expires_in=-5)
    assert site.server.client.get(STATUS, headers={"Authorization": f"Bearer {late}"}).is_success
    problem = assert_problem(begin(site, late), 401)
    assert problem["detail"] == "the token has expired"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (token(STUDENT), 403),
        (token(FIRED), 403),
        (token(99), 401),
        (token(BOSS, secret="another-key-that-is-long-enough-for-HS256"), 401),
        (token(BOSS, expires_in=-60), 401),
        (token(BOSS, aud="elsewhere"), 401),
        (token(BOSS, aud="eventrank_desk"), 401),
        ("no token at all", 401),
        ("", 401),
        ("x" * 5000, 401),
        ("ünïcode", 401),
    ],
)
def test_who_is_no_admin_gets_no_cookie(site: Site, given: str, status: int) -> None:
    answer = begin(site, given)
    assert_problem(answer, status)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"{}", b'{"token": 7}', b'{"token": null}', b"\xff"]
)
def test_a_body_without_a_token_is_refused(site: Site, body: bytes) -> None:
    assert_problem(ask(site, "POST", DESK, content=body), 422)


@pytest.mark.parametrize("body", [b'{"token": "\\ud800"}', b'{"token": "\\u0000"}'])
def test_half_characters_are_no_fault_of_the_server(site: Site, body: bytes) -> None:
    assert ask(site, "POST", DESK, content=body).status_code in {401, 422}


# What it opens


def test_the_cookie_asks_as_its_admin_where_no_token_is_sent(site: Site) -> None:
    cookie = signed_in(site)
    assert ask(site, "GET", STATUS, cookie=cookie, headers=NO_HEADERS).status_code == 200
    assert_problem(ask(site, "GET", STATUS), 401)
    answer = ask(site, "POST", EVALUATE, cookie=cookie, json={})
    assert answer.status_code == 201, answer.text


def test_a_token_goes_before_the_cookie(site: Site) -> None:
    bearer = {"Authorization": f"Bearer {token(STUDENT)}"}
    assert_problem(ask(site, "GET", STATUS, cookie=signed_in(site), headers=bearer), 403)
    bad = {"Authorization": "Bearer x"}
    assert_problem(ask(site, "GET", STATUS, cookie=signed_in(site), headers=bad), 401)


def test_a_desk_session_is_good_for_the_desk_alone(site: Site) -> None:
    assert_problem(ask(site, "GET", ME, cookie=signed_in(site)), 401)


def test_each_audience_is_refused_by_the_others(site: Site) -> None:
    desk, student = signed_in(site).partition("=")[2], as_student(site).partition("=")[2]
    # As a token of the API: no.
    for value in (desk, student):
        bearer = {"Authorization": f"Bearer {value}"}
        for path in (STATUS, ME):
            problem = assert_problem(ask(site, "GET", path, headers=bearer), 401)
            assert problem["detail"] == "the token is meant for somebody else"
        assert_problem(begin(site, value), 401)
    # A token of the API as a cookie: no.
    for name, path in (("eventrank_desk", STATUS), ("eventrank_student", ME)):
        assert_problem(ask(site, "GET", path, cookie=f"{name}={token(BOSS)}"), 401)
    # One face's as the other's: no.
    assert_problem(ask(site, "GET", STATUS, cookie=f"eventrank_desk={student}"), 401)
    assert_problem(ask(site, "GET", ME, cookie=f"eventrank_student={desk}"), 401)
    # In their own places: yes.
    assert ask(site, "GET", STATUS, cookie=f"eventrank_desk={desk}").status_code == 200
    assert ask(site, "GET", ME, cookie=f"eventrank_student={student}").status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "x.y.z",
        "a" * 5000,
        jwt.encode({"sub": "1", "aud": "eventrank_desk"}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": "1", "aud": "eventrank_desk", "exp": 9**12}, "", algorithm="none"),
        jwt.encode({"sub": "x", "aud": "eventrank_desk", "exp": 9**10}, SECRET, algorithm="HS256"),
        jwt.encode(
            {"sub": "1", "aud": "eventrank_desk", "exp": 9**10}, SECRET + "!", algorithm="HS256"
        ),
    ],
)
def test_a_cookie_of_ones_own_making_opens_nothing(site: Site, value: str) -> None:
    assert_problem(ask(site, "GET", STATUS, cookie=f"eventrank_desk={value}"), 401)
    assert_problem(ask(site, "GET", DESK, cookie=f"eventrank_desk={value}"), 401)


@pytest.mark.parametrize("change", ["is_active = false", "role = 'student'"])
def test_who_is_no_admin_any_more_loses_access_at_once(site: Site, change: str) -> None:
    cookie = signed_in(site)
    site.execute(f"UPDATE users SET {change} WHERE id = {BOSS}")  # noqa: S608
    for path in (DESK, STATUS):
        assert_problem(ask(site, "GET", path, cookie=cookie), 403)
    assert_problem(ask(site, "POST", EVALUATE, cookie=cookie, json={}), 403)
    site.execute(f"DELETE FROM users WHERE id = {BOSS}")  # noqa: S608
    assert_problem(ask(site, "GET", STATUS, cookie=cookie), 401)


# Other origins


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_what_changes_anything_has_to_come_from_the_servers_own_page(
    site: Site, headers: dict[str, str]
) -> None:
    cookie = signed_in(site)
    for method, path, body in (
        ("POST", EVALUATE, {}),
        ("POST", DESK, {"token": token(BOSS)}),
        ("DELETE", DESK, None),
        ("POST", DEMO, {"user_id": STUDENT}),
        ("DELETE", DEMO, None),
        ("POST", DEMO_DESK, None),
    ):
        answer = ask(site, method, path, cookie=cookie, headers=headers, json=body)
        problem = assert_problem(answer, 403)
        assert "not sent by a page of this server" in problem["detail"]
        assert "set-cookie" not in answer.headers
    student = as_student(site)
    answer = ask(site, "DELETE", f"{ME}/hidden-tags/1", cookie=student, headers=headers)
    assert_problem(answer, 403)
    assert site.value("SELECT count(*) FROM background_jobs") == 0


@pytest.mark.parametrize("headers", [OWN, {"Origin": "{own}"}, {**OWN, "Origin": "x"}], ids=str)
def test_a_page_of_the_server_may(site: Site, headers: dict[str, str]) -> None:
    cookie = signed_in(site)
    answer = ask(site, "POST", EVALUATE, cookie=cookie, headers=headers, json={})
    assert answer.status_code == 201, answer.text


def test_programs_with_a_token_need_no_origin(site: Site) -> None:
    bearer = {"Authorization": f"Bearer {token(BOSS)}", "Sec-Fetch-Site": "cross-site"}
    answer = ask(site, "POST", EVALUATE, cookie=signed_in(site), headers=bearer, json={})
    assert answer.status_code == 201, answer.text


def test_other_origins_may_not_read_with_the_cookie(database_url: str, site: Site) -> None:
    origin = "https://elsewhere.example"
    with serve(database_url, CORS_ORIGINS=origin) as server:
        answer = server.client.get(STATUS, headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    # Without this no browser sends a cookie along, or shows what came back.
    assert "access-control-allow-credentials" not in answer.headers


# Ending


def test_signing_out_takes_the_cookie_away(site: Site) -> None:
    answer = ask(site, "DELETE", DESK, cookie=signed_in(site))
    assert answer.status_code == 204
    cookie = cookie_of(answer)
    assert (cookie.key, cookie.value, cookie["max-age"]) == ("eventrank_desk", "", "0")
    # A browser takes a cookie away only under the path that it has.
    assert cookie["path"] == "/api/admin/"
    assert ask(site, "DELETE", DESK).status_code == 204


def test_nobody_is_signed_in_at_first(site: Site) -> None:
    assert_problem(ask(site, "GET", DESK), 401)
    assert ask(site, "GET", DEMO).json() == {"student": None}


# The demo


def test_in_the_demo_anybody_may_be_its_admin(site: Site) -> None:
    answer = ask(site, "POST", DEMO_DESK)
    assert answer.json()["user_id"] == BOSS
    assert cookie_of(answer)["path"] == "/api/admin/"
    assert ask(site, "GET", STATUS, cookie=sent(answer)).status_code == 200
    site.execute("UPDATE users SET is_active = false WHERE role = 'admin'")
    assert_problem(ask(site, "POST", DEMO_DESK), 404)


def test_in_the_demo_anybody_may_be_any_student(site: Site) -> None:
    answer = ask(site, "POST", DEMO, json={"user_id": STUDENT})
    cookie = cookie_of(answer)
    assert (cookie.key, cookie["path"]) == ("eventrank_student", "/api/")
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
    shown = ask(site, "GET", DEMO, cookie=sent(answer)).json()
    assert shown["student"]["full_name"] == "Sam"
    assert shown["expires_at"] == answer.json()["expires_at"]
    assert 0 < shown["expires_in"] <= answer.json()["expires_in"] == 3600
    for user, status in ((BOSS, 404), (99, 404), (0, 422), ("2", 422), (True, 422), (2**40, 422)):
        assert_problem(ask(site, "POST", DEMO, json={"user_id": user}), status)
    ended = ask(site, "DELETE", DEMO, cookie=sent(answer))
    assert cookie_of(ended)["max-age"] == "0"


# What is switched off


def test_without_the_desk_nothing_of_it_is_there(database_url: str, site: Site) -> None:
    cookie = signed_in(site)
    with serve(database_url, DESK_ENABLED="false", DEMO_MODE="true") as server:
        off = Site(server, database_url, site.connection, site.run)
        for path in ("/desk", "/desk/quality", "/desk/students/1", "/desk/sign-in", DESK):
            assert_problem(ask(off, "GET", path), 404)
        assert_problem(begin(off, token(BOSS)), 404)
        assert_problem(ask(off, "POST", DEMO_DESK), 404)
        # Of a cookie from before nothing is left.
        assert_problem(ask(off, "GET", STATUS, cookie=cookie), 401)
        assert_problem(ask(off, "POST", EVALUATE, cookie=cookie, json={}), 401)
        assert ask(off, "GET", "/").status_code == 200
        charts = re.search(r"/charts/\w+/", ask(site, "GET", "/desk").text)
        assert charts
        assert_problem(ask(off, "GET", f"{charts[0]}plotly.min.js"), 404)


def test_without_the_demo_nothing_of_it_is_there(database_url: str, site: Site) -> None:
    cookie = as_student(site)
    with serve(database_url) as server:
        off = Site(server, database_url, site.connection, site.run)
        for path in ("/", "/events/1", "/profile", "/sign-in", DEMO):
            assert_problem(ask(off, "GET", path), 404)
        assert_problem(ask(off, "POST", DEMO_DESK), 404)
        assert_problem(ask(off, "GET", ME, cookie=cookie), 401)
        assert 'data-demo="false"' in ask(off, "GET", "/desk").text


def test_without_either_no_page_is_there(database_url: str, site: Site) -> None:
    with serve(database_url, DESK_ENABLED="false") as server:
        off = Site(server, database_url, site.connection, site.run)
        for path in ("/", "/desk", DESK, DEMO):
            assert_problem(ask(off, "GET", path), 404)
        static = re.search(r"/static/\w+/theme.css", ask(site, "GET", "/desk").text)
        assert static
        assert_problem(ask(off, "GET", static[0]), 404)


# Pages and their files


@pytest.mark.parametrize("page", [*DESK_PAGES, *SITE_PAGES], ids=lambda page: page.path)
def test_a_page_has_nothing_inline_and_loads_from_here_alone(
    page: tuple[str, str, str], site: Site
) -> None:
    path, title, module = page
    answer = ask(site, "GET", path.format(id=1), headers=NO_HEADERS)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["form-action"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert f"<title>{title} ·" in answer.text
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]* src=)", answer.text)
    loaded = re.findall(r'(?:src|href|data-charts)="([^"#]+)"', answer.text)
    assert any(one.endswith(f"/{module}") for one in loaded)
    for one in loaded:
        assert re.match(r"/(static|charts)/[0-9a-f]{16}/", one)
    assert ask(site, "HEAD", path.format(id=1)).status_code == 200
    assert ask(site, "POST", path.format(id=1)).status_code == 405


@pytest.fixture(scope="module")
def server(opened: Site) -> ApiServer:
    return opened.server


@pytest.fixture(scope="module")
def shelf(server: ApiServer) -> str:
    found = re.search(r"/static/[0-9a-f]{16}/", server.client.get("/desk").text)
    assert found
    return found[0]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("api.js", "text/javascript; charset=utf-8"),
        ("theme.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_a_static_file_is_kept_for_ever_and_packed_for_who_can_unpack(
    server: ApiServer, shelf: str, name: str, media_type: str
) -> None:
    plain = server.client.get(shelf + name, headers={"Accept-Encoding": "identity"})
    assert plain.headers["content-type"] == media_type
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["x-content-type-options"] == "nosniff"
    assert plain.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in plain.headers
    with server.client.stream("GET", shelf + name, headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding"
        assert gzip.decompress(b"".join(packed.iter_raw())) == plain.content


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("deflate, gzip; q=1.0", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("br", False),
        ("", False),
        ("xgzip", False),
    ],
)
def test_gzip_is_sent_only_to_who_takes_it(
    server: ApiServer, shelf: str, accepted: str, is_packed: bool
) -> None:
    answer = server.client.get(f"{shelf}theme.css", headers={"Accept-Encoding": accepted})
    assert ("content-encoding" in answer.headers) is is_packed


@pytest.mark.parametrize(
    "path",
    [
        "/static/0123456789abcdef/theme.css",
        "/static/theme.css",
        "/static/",
        "/static/../pages/desk.html",
        "{shelf}",
        "{shelf}nothing.js",
        "{shelf}../pages/desk.html",
        "{shelf}..%2fpages%2fdesk.html",
        "{shelf}%2e%2e/pages/desk.html",
        "{shelf}plotly.min.js",
        "{shelf}theme.css/",
        "{shelf}%00",
    ],
)
def test_another_hash_or_another_file_is_not_there(
    server: ApiServer, shelf: str, path: str
) -> None:
    assert_problem(server.client.get(path.format(shelf=shelf)), 404)


def test_the_chart_library_is_for_the_desk_and_packed(server: ApiServer) -> None:
    page = server.client.get("/desk").text
    found = re.search(r'"(/charts/[0-9a-f]{16}/plotly.min.js)"', page)
    assert found
    with server.client.stream("GET", found[1], headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["cache-control"].endswith("immutable")
        size = len(b"".join(answer.iter_raw()))
    assert size < 2_000_000
    assert "/charts/" not in server.client.get("/").text


def test_a_static_file_is_only_read(server: ApiServer, shelf: str) -> None:
    assert server.client.head(f"{shelf}theme.css").status_code == 200
    assert server.client.post(f"{shelf}theme.css").status_code == 405
