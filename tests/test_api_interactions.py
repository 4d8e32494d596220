"""POST /api/analytics/interactions: what is stored and learned, refused, counted and limited."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api_server import ANSWER_SECONDS, ROOT, serve, token
from tests.support.http_load import wait_for
from tests.support.site import (
    INTERACTIONS,
    Json,
    Site,
    assert_problem,
    open_site,
    refused_interactions,
    taken,
)
from tests.support.worlds import AS_OF, LAST_MONTH, World, days

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.runner import Run

ANA, BOB, EVE, CLUB, ADMIN = 1, 2, 3, 4, 5
"""Two students, one whose account is not active, an organizer, an admin."""
ROCK, JAZZ, GONE, UNKNOWN = 1, 2, 3, 4711
"""Events: one with a tag, one with two, a deleted one, and one there never was."""

ROWS = """
SELECT i.user_id, i.event_id, i.interaction_type, i.occurred_at, i.meta
FROM event_interactions AS i ORDER BY i.id
"""
LEARNED = """
SELECT t.user_id, g.name, t.score FROM user_implicit_interest_tags AS t
INNER JOIN tags AS g ON g.id = t.tag_id ORDER BY 1, 2
"""
COUNT = "SELECT count(*) FROM event_interactions"
LEARNING_TABLES = [f"user_implicit_interest_{kind}" for kind in ("tags", "categories", "cities")]


@pytest.fixture(scope="module")
def server(database_url: str, run: Run) -> Iterator[Site]:
    with open_site(database_url, run) as site:
        yield site


@pytest.fixture
def site(server: Site) -> Site:
    """The server before a small world in which nothing was done yet; what is done is learned."""
    world = World()
    world.student()
    world.student()
    world.student(is_active=False)
    world.organizer()
    world.student(role="admin")
    world.event(CLUB, tags=["rock"], category="Music", city="Cluj")
    world.event(CLUB, tags=["jazz", "blues"], starts=days(20))
    world.event(CLUB, tags=["rock"], deleted=LAST_MONTH)
    server.write(world)
    server.set(recommendations_online_learning_enabled=True, analytics_rate_limit=1_000_000)
    return server


def click(event: int | None = ROCK, **more: object) -> Json:
    return {"interaction_type": "click", "event_id": event, **more}


def rows(site: Site, query: str = ROWS) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in site.run(site.connection.fetch(query))]


def counters(site: Site) -> dict[str, float]:
    families = text_string_to_metric_families(site.ask("/metrics").text)
    (family,) = [found for found in families if found.name == "eventrank_interactions"]
    return {sample.labels["outcome"]: sample.value for sample in family.samples}


# What is taken


def test_a_batch_is_stored_as_it_was_sent(site: Site) -> None:
    meta = {"source": "events_list", "position": 3, "text": "é 😀 \\u0000"}
    batch = [
        click(occurred_at="2026-03-01T11:00:00+02:00", meta=meta),
        {"interaction_type": "search", "meta": {"tags": ["jazz"]}, "unknown": {"x": 1}},
        {"interaction_type": "impression", "event_id": None, "occurred_at": None, "meta": None},
    ]
    assert taken(site.post(batch, ANA)) == (3, 0, 0)
    stored = rows(site)
    assert [row[:3] for row in stored] == [
        (ANA, ROCK, "click"),
        (ANA, None, "search"),
        (ANA, None, "impression"),
    ]
    assert [row[3].isoformat() for row in stored] == [
        "2026-03-01T09:00:00+00:00",
        AS_OF.isoformat(),
        AS_OF.isoformat(),
    ]
    assert [row[4] and json.loads(row[4]) for row in stored] == [meta, {"tags": ["jazz"]}, None]


def test_what_a_student_does_is_learned_at_once(site: Site) -> None:
    assert taken(site.post([click(ROCK), click(JAZZ)], ANA)) == (2, 0, 0)
    assert rows(site, LEARNED) == [(ANA, "blues", 0.5), (ANA, "jazz", 0.5), (ANA, "rock", 1.0)]


@pytest.mark.parametrize("user", [None, CLUB, ADMIN])
def test_what_others_do_is_stored_and_not_learned(site: Site, user: int | None) -> None:
    assert taken(site.post([click()], user)) == (1, 0, 0)
    assert [row[:3] for row in rows(site)] == [(user, ROCK, "click")]
    assert rows(site, LEARNED) == []


def test_a_time_far_away_is_clamped(site: Site) -> None:
    times = ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-15:59")
    assert taken(site.post([click(occurred_at=time) for time in times])) == (2, 0, 0)
    assert [(row[3] - AS_OF).total_seconds() for row in rows(site)] == [-7 * 86_400, 300]


def test_interactions_with_events_that_are_not_there_are_dropped(site: Site) -> None:
    before = counters(site)
    assert taken(site.post([click(GONE), click(), click(UNKNOWN)], ANA)) == (1, 0, 2)
    assert taken(site.post([click(GONE)], ANA)) == (0, 0, 1)
    assert [row[1] for row in rows(site)] == [ROCK]
    after = counters(site)
    assert {name: after[name] - before[name] for name in after} == {
        "stored": 1,
        "repeated": 0,
        "dropped": 3,
    }


def test_a_retried_batch_is_stored_and_learned_once(site: Site) -> None:
    batch = [click(client_id=str(uuid4())), click(JAZZ, client_id=str(uuid4())), click()]
    before = counters(site)
    assert taken(site.post(batch, ANA)) == (3, 0, 0)
    assert taken(site.post(batch[:2], ANA)) == (0, 2, 0)
    assert taken(site.post([click(JAZZ, client_id=str(uuid4())), *batch[:2]], ANA)) == (1, 2, 0)
    assert counters(site)["repeated"] == before["repeated"] + 4
    assert len(rows(site)) == 4
    assert rows(site, LEARNED) == [(ANA, "blues", 1.0), (ANA, "jazz", 1.0), (ANA, "rock", 1.0)]


def test_ids_are_the_clients_own_so_others_may_have_the_same(site: Site) -> None:
    batch = [click(client_id=str(UUID(int=7)))]
    for user in (ANA, BOB, None):
        assert taken(site.post(batch, user)) == (1, 0, 0)
        assert taken(site.post(batch, user)) == (0, 1, 0)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain;charset=UTF-8", "image/png", ""]
)
def test_any_content_type_is_taken(site: Site, content_type: str) -> None:
    assert taken(site.post([click()], Content_Type=content_type)) == (1, 0, 0)


def test_a_body_in_chunks_is_one(site: Site) -> None:
    body = json.dumps({"events": [click()] * 100}).encode()
    answer = site.server.client.post(
        INTERACTIONS, content=(body[at : at + 99] for at in range(0, len(body), 99))
    )
    assert "content-length" not in answer.request.headers
    assert taken(answer) == (100, 0, 0)


def test_other_methods_are_refused(site: Site) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = site.ask(INTERACTIONS, ANA, method=method)
        assert_problem(answer, 405)
        assert answer.headers["allow"] == "POST"


def test_pages_of_other_sites_may_send_and_see_what_became_of_it(site: Site) -> None:
    origin = "https://app.example"
    with serve(site.database_url, CORS_ORIGINS=origin) as other:
        answer = other.client.options(
            INTERACTIONS,
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, content-type",
            },
        )
        assert answer.status_code == 200, answer.text
        answer = other.client.post(
            INTERACTIONS, json={"events": [click()]}, headers={"Origin": origin}
        )
        assert taken(answer) == (1, 0, 0)
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"Interactions-Stored", "Interactions-Repeated", "Interactions-Dropped"} <= set(
            exposed
        )


# Who may not, and when


def test_while_analytics_are_off_nothing_is_stored_or_looked_at(site: Site) -> None:
    site.set(analytics_enabled=False)
    batches: list[bytes | list[Json]] = [[click()], b"no JSON", [click(0)]]
    for batch, user in product(batches, (None, ANA)):
        answer = site.post(batch, user)
        assert answer.status_code == 204, answer.text
        assert not any(name.startswith("interactions") for name in answer.headers)
    assert_problem(site.post([click()], EVE), 403)
    assert rows(site) == []


@pytest.mark.parametrize("batch", [[click()], [click(0)], b"no JSON", b"\xff", b""])
def test_who_asks_comes_before_what_is_sent(site: Site, batch: bytes | list[Json]) -> None:
    answer = site.post(batch, Authorization="Bearer nobody's")
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer error=")
    assert_problem(site.post(batch, UNKNOWN), 401)
    assert_problem(site.post(batch, EVE), 403)
    assert rows(site) == []


TELEMETRY_RIGHTS = [
    *((table, right) for table in LEARNING_TABLES for right in ("SELECT", "INSERT", "UPDATE")),
    *(("analytics_rate_limits", right) for right in ("SELECT", "INSERT", "UPDATE")),
    *(("background_jobs", right) for right in ("SELECT", "INSERT", "UPDATE")),
    *(("interaction_receipts", right) for right in ("SELECT", "INSERT")),
    ("event_interactions", "INSERT"),
    ("recommendation_lists", "SELECT"),
]


def test_the_rights_of_the_page_are_those_that_telemetry_needs(site: Site) -> None:
    page = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    (grants,) = re.findall(r"```sql\n(CREATE ROLE eventrank_server .*?)```", page, re.DOTALL)
    role = f"eventrank_{uuid4().hex[:12]}"
    world = crowded_world(students=1)
    world.recommend(ANA, ROCK, at=days(0))
    site.write(world)
    site.set(
        recommendations_online_learning_enabled=True,
        recommendations_realtime_refresh_enabled=True,
        task_queue_enabled=True,
    )
    try:
        site.execute(grants.replace("eventrank_server", role))
    except asyncpg.InsufficientPrivilegeError:
        pytest.skip("only a role that may create roles can try this")
    try:
        assert record_as(site, role) == 204
        for table, right in TELEMETRY_RIGHTS:
            site.execute(f"REVOKE {right} ON {table} FROM {role}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                record_as(site, role)
            site.execute(f"GRANT {right} ON {table} TO {role}")
        assert record_as(site, role) == 204
    finally:
        site.execute(f"DROP OWNED BY {role}")
        site.execute(f"DROP ROLE {role}")


def record_as(site: Site, role: str) -> int:
    """Record interactions, at last with a refresh that is asked for already and is due sooner."""
    batch = [
        click(client_id=str(uuid4())),
        {"interaction_type": "search", "meta": {"tags": ["tag 1"], "category": "c", "city": "d"}},
    ]

    def record(user: int | None) -> int:
        site.execute(f"SET ROLE {role}")
        try:
            return int(
                site.value(
                    "SELECT status FROM recommender.record_interactions($1, $2::jsonb, 'a')",
                    user,
                    json.dumps(batch),
                )
            )
        finally:
            site.execute("RESET ROLE")

    age = "UPDATE recommendation_lists SET generated_at = $1"
    try:
        statuses = [record(user) for user in (ANA, None, ANA)]
        site.execute(age, AS_OF + LAST_MONTH)
        (status,) = {*statuses, record(ANA)}
    finally:
        site.execute("TRUNCATE background_jobs")
        site.execute(age, AS_OF)
    return status


# What is wrong

G = json.dumps(click())


def interaction(**fields: str) -> str:
    """Write an interaction whose values are JSON already, and may be none."""
    given = {"interaction_type": '"click"', "event_id": str(ROCK), **fields}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in given.items()) + "}"


BAD_VALUES = {
    "interaction_type": ('"clik"', '""', '"Click"', "null", "1", '["click"]', r'"click\u0000"'),
    "event_id": (
        *("0", "-1", "1.5", '"1"', "true", "[]", "2147483648", "9223372036854775808"),
        *("1e400", "NaN", "9" * 400, "9" * 200_000),
    ),
    "occurred_at": (
        *('"0000-01-01T00:00:00Z"', '"2026-02-30T00:00:00Z"', '"2026-03-01T25:00:00Z"'),
        *('"2026-03-01T12:00:00"', '"2026-03-01"', '"infinity"', '"now"', '"epoch"', '""'),
        *('"10000-01-01T00:00:00Z"', '"2026-03-01T12:00:00+99:00"', "1772366400", "{}"),
    ),
    "client_id": ('""', '"7"', '"{0b0f5bb5-7c3e-4d0c-9a51-3f9d2a6f1c11}"', "7", f'"{"0" * 32}"'),
    "meta": (
        *('"x"', "[]", "1", "true", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e400}'),
        *(r'{"a": "\u0000"}', r'{"\u0000": 1}', r'{"a": "\ud800"}', '{"a": 1e-20000}'),
        '{"a": "' + "x" * 4096 + '"}',
        '{"a": "' + "x" * 1_048_576 + '"}',
        '{"a": ' * 6 + "1" + "}" * 6,
        '{"a": ' * 1_000 + "1" + "}" * 1_000,
        '{"a": ' * 100_000 + "1" + "}" * 100_000,
        '{"a": ' + "[" * 100_000,
    ),
}
BAD_INTERACTIONS = [
    *(
        (interaction(**{field: value}), field)
        for field in BAD_VALUES
        for value in BAD_VALUES[field]
    ),
    ('{"event_id": 1}', "interaction_type"),
    ("{}", "interaction_type"),
    ("7", None),
    ("null", None),
    (f"[{G}]", None),
    ("nope", None),
]


def shortened(value: object) -> str:
    text = ascii(value)
    return text if len(text) < 60 else f"{text[:50]}… {len(text)}"


@pytest.fixture
def nothing_is_stored(site: Site) -> Iterator[None]:
    yield
    assert rows(site) == []
    assert rows(site, LEARNED) == []
    assert site.value("SELECT count(*) FROM interaction_receipts") == 0
    assert site.value("SELECT count(*) FROM background_jobs") == 0


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize(("bad", "field"), BAD_INTERACTIONS, ids=shortened)
def test_a_bad_interaction_is_named_and_nothing_of_its_batch_stored(
    site: Site, bad: str, field: str | None
) -> None:
    first = json.dumps(click(client_id=str(uuid4())))
    body = f'{{"events": [{first}, {G}, {bad}, {G}]}}'.encode()
    for user in (ANA, None):
        answer = site.post(body, user)
        assert refused_interactions(answer) == [(2, field)]
        place = "events[2]" + (f".{field}" if field else "")
        assert answer.json()["detail"].startswith(f"{place}: expected ")


@pytest.mark.usefixtures("nothing_is_stored")
def test_everything_that_is_wrong_is_named(site: Site) -> None:
    bad = {"interaction_type": 1, "event_id": 0, "occurred_at": 1, "client_id": 1, "meta": 1}
    faults = refused_interactions(site.post([click(), bad, click(0)], ANA))
    assert set(faults) == {(1, name) for name in bad} | {(2, "event_id")}
    assert len(refused_interactions(site.post([bad] * 100, ANA))) == 500


BAD_BATCHES = {
    "none": (b'{"events": []}', "events"),
    "101": (json.dumps({"events": [click()] * 101}).encode(), "events"),
    "a million": (b'{"events": [' + b"1," * 999_999 + b"1]}", "events"),
    "missing": (b"{}", "events"),
    "null": (b'{"events": null}', "events"),
    "an object": (b'{"events": {"0": ' + G.encode() + b"}}", "events"),
    "a text": (b'{"events": "click"}', "events"),
    "NaN": (b'{"events": NaN}', "events"),
    "an array alone": (f"[{G}]".encode(), None),
    "a number": (b"1", None),
    "nothing": (b"", None),
    "blanks": (b" \n", None),
    "a form": (b"events=1", None),
    "a BOM": (b"\xef\xbb\xbf" + f'{{"events": [{G}]}}'.encode(), None),
    "UTF-16": (f'{{"events": [{G}]}}'.encode("utf-16"), None),
    "NUL": (b"\0", None),
    "2 MiB of brackets": (b"[" * 2**21, None),
}


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize(("body", "field"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_a_bad_batch_is_named_and_nothing_stored(
    site: Site, body: bytes, field: str | None
) -> None:
    assert refused_interactions(site.post(body, ANA)) == [(None, field)]


@pytest.mark.usefixtures("nothing_is_stored")
def test_a_body_beyond_the_limit_is_not_read(site: Site) -> None:
    assert_problem(site.post(b" " * (2**21 + 1), ANA), 413)


@pytest.mark.usefixtures("nothing_is_stored")
def test_half_a_body_is_nothing(site: Site) -> None:
    body = json.dumps({"events": [click()]}).encode()
    head = f"POST {INTERACTIONS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    address = urlsplit(site.server.url)
    halves = (b"", body[:20], body[:-1])
    before = left_before_the_answer(site)
    for half in halves:
        with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
            connection.sendall(head.encode() + half)
    wait_for(
        lambda: left_before_the_answer(site) == before + len(halves),
        lambda: "the server did not notice that its clients left",
    )


def left_before_the_answer(site: Site) -> float:
    families = text_string_to_metric_families(site.ask("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "eventrank_http_requests_total"
        and (sample.labels["route"], sample.labels["status"]) == (INTERACTIONS, "499")
    )


KEYS = st.sampled_from(["interaction_type", "event_id", "occurred_at", "client_id", "meta", "é\0"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(0, 5),
    st.floats(),
    st.text(),
    st.datetimes().map(lambda time: f"{time.isoformat(timespec='seconds')}Z"),
    st.uuids().map(str),
    st.sampled_from(["click", "dwell", "search", "2026-02-30T00:00:00Z", "\ud800", 10**400]),
)
METAS = st.dictionaries(
    st.sampled_from(["seconds", "tags", "category", "city", "position", "x"]),
    st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.text(), SCALARS)),
    max_size=4,
)
SOUND = st.fixed_dictionaries(
    {"interaction_type": st.sampled_from(["click", "view", "dwell", "search", "filter"])},
    optional={
        "event_id": st.sampled_from([ROCK, JAZZ, GONE, UNKNOWN, None]),
        "client_id": st.uuids().map(str),
        "meta": METAS,
    },
)
BATCHES = st.lists(
    st.one_of(SOUND, SOUND, st.dictionaries(KEYS, st.one_of(SCALARS, METAS)), SCALARS), max_size=4
)


@st.composite
def sent(draw: st.DrawFn) -> bytes:
    """A batch, or something like one, or anything at all."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary())
    batch = draw(st.one_of(BATCHES, BATCHES, SCALARS, METAS))
    text = json.dumps({"events": batch}, ensure_ascii=draw(st.booleans()))
    body = text.encode(errors="surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=2)) + body[at + draw(st.integers(0, 2)) :]
    return body


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=sent(), user=st.sampled_from([ANA, None]))
@example(
    body=b'{"events":[{"interaction_type":"dwell","event_id":1,"meta":{"seconds":1e308}}]}',
    user=ANA,
)
@example(
    body=b'{"events":[{"interaction_type":"dwell","event_id":1,"meta":{"seconds":5e-324}}]}',
    user=ANA,
)
@example(body=b'{"events":[{"interaction_type":"search","meta":{"tags":[1,null,{}]}}]}', user=ANA)
def test_whatever_is_sent_is_taken_or_refused(site: Site, body: bytes, user: int | None) -> None:
    before = site.value(COUNT)
    answer = site.post(body, user)
    stored = 0
    if answer.status_code == 204:
        stored = taken(answer)[0]
    else:
        assert refused_interactions(answer)
    assert site.value(COUNT) == before + stored


# How often


def test_all_servers_share_the_count_of_a_client(site: Site) -> None:
    site.set(analytics_rate_limit=4, analytics_rate_window_seconds=3600)
    with serve(site.database_url) as second:
        clients = [site.server.client, second.client]

        def statuses(user: int | None, body: Json, count: int = 6) -> list[int]:
            headers = {} if user is None else {"Authorization": f"Bearer {token(user)}"}
            answers = [
                clients[number % 2].post(INTERACTIONS, json=body, headers=headers)
                for number in range(count)
            ]
            for answer in answers:
                if answer.status_code == 429:
                    assert_problem(answer, 429)
                    assert 0 < int(answer.headers["retry-after"]) <= 3600
            return [answer.status_code for answer in answers]

        for user in (ANA, BOB, None):
            assert statuses(user, {"events": [click()]}) == [*[204] * 4, 429, 429]
        assert statuses(CLUB, {"events": []}) == [*[422] * 4, 429, 429], "wrong ones count, too"
        assert statuses(ANA, {"events": []}, 2) == [429, 429]
    assert len(rows(site)) == 12


def test_after_the_window_a_client_may_ask_again(site: Site) -> None:
    site.set(analytics_rate_limit=1, analytics_rate_window_seconds=1)
    assert taken(site.post([click()], ANA)) == (1, 0, 0)
    wait_for(
        lambda: site.post([click()], ANA).status_code == 204,
        lambda: "the window did not end",
    )


def test_visitors_behind_a_trusted_proxy_are_counted_by_their_own_address(site: Site) -> None:
    site.set(analytics_rate_limit=1, analytics_rate_window_seconds=3600)

    def status(forwarded: str, client: httpx.Client = site.server.client) -> int:
        headers = {"X-Forwarded-For": forwarded}
        return client.post(INTERACTIONS, json={"events": [click()]}, headers=headers).status_code

    assert [status("192.0.2.1"), status("192.0.2.2"), status("192.0.2.1")] == [204, 204, 429]
    assert [status("8.8.8.8, 192.0.2.3"), status("9.9.9.9, 192.0.2.3")] == [204, 429]
    assert [status("2001:db8::1"), status("2001:db8::ffff"), status("2001:db8:0:1::")] == [
        *(204, 429),
        204,
    ]
    assert [status("somebody"), status("somebody"), status("somebody else")] == [204, 429, 204]
    with serve(site.database_url, FORWARDED_ALLOW_IPS="192.0.2.99") as wary:
        answers = [status(f"198.51.100.{number}", wary.client) for number in range(3)]
        assert answers == [204, 429, 429]


# Many at once

CONNECTIONS = 32
EVENTS = 24
MIXED_BATCHES = 3_000


def test_events_that_are_deleted_meanwhile_break_nothing(site: Site) -> None:
    site.execute(
        "INSERT INTO events (id, title, start_time, owner_id)"
        " SELECT n, '', now(), $1 FROM generate_series(1001, 1200) AS n",
        CLUB,
    )
    batches = [[click(event) for event in range(at, at + 100)] for at in (1001, 1101)]
    deleted = threading.Event()

    def send(client: int) -> list[httpx.Response]:
        answers: list[httpx.Response] = []
        with httpx.Client(base_url=site.server.url, timeout=ANSWER_SECONDS, trust_env=False) as own:
            headers = {"Authorization": f"Bearer {token((ANA, BOB)[client % 2])}"}
            while not deleted.is_set():
                batch = {"events": batches[len(answers) % 2]}
                answers.append(own.post(INTERACTIONS, json=batch, headers=headers))
        return answers

    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send, client) for client in range(4)]
        try:
            for event in range(1001, 1201):
                site.execute("DELETE FROM events WHERE id = $1", event)
        finally:
            deleted.set()
        answers = [answer for client in sending for answer in client.result()]
    assert {answer.status_code for answer in answers} <= {204, 503}
    assert 204 in {answer.status_code for answer in answers}
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
    assert taken(site.post(batches[0], ANA)) == (0, 0, 100)


def features(event: int) -> list[tuple[str, str, float]]:
    """What one click on an event of the crowded world is worth, and for what."""
    tags = sorted({f"tag {event % 5}", f"tag {event % 7}", f"tag {event % 3}"})[: event % 3 + 1]
    return [
        *(("tag", tag, 1 / len(tags)) for tag in tags),
        ("category", f"category {event % 4}", 1),
        *([("city", f"city {event % 6}", 1)] if event % 6 else []),
    ]


def test_a_batch_whose_connection_broke_is_for_the_client_to_send_again(site: Site) -> None:
    sessions = """
    SELECT a.pid FROM pg_stat_activity AS a
    WHERE
        a.datname = current_database()
        AND a.application_name = 'eventrank server'
        AND a.wait_event_type = 'Lock'
    """
    with ThreadPoolExecutor(1) as pool:
        site.execute("BEGIN; LOCK TABLE event_interactions IN EXCLUSIVE MODE")
        try:
            posting = pool.submit(site.post, [click()], ANA)
            wait_for(
                lambda: posting.done() or site.value(sessions) is not None,
                lambda: "the batch did not come to the lock",
            )
            site.execute("SELECT pg_terminate_backend($1)", site.value(sessions))
        finally:
            # Nothing would hinder a second try now.
            site.execute("ROLLBACK")
        answer = posting.result()
    assert_problem(answer, 503)
    assert answer.headers["retry-after"]
    assert rows(site) == rows(site, LEARNED) == []
    assert taken(site.post([click()], ANA)) == (1, 0, 0)


def crowded_world(students: int) -> World:
    """Students, then an organizer, and events of one to three tags, some without a city."""
    world = World()
    for _ in range(students):
        world.student()
    club = world.organizer()
    for event in range(1, EVENTS + 1):
        named = [(kind, name) for kind, name, _ in features(event)]
        world.event(
            club,
            tags=[name for kind, name in named if kind == "tag"],
            category=dict(named)["category"],
            city=dict(named).get("city"),
        )
    world.model(1)
    return world


async def send_all(
    url: str, requests: Sequence[tuple[list[Json], dict[str, str]]]
) -> list[httpx.Response]:
    """Send requests over so many connections, in their order, and give the answers in any."""
    waiting = iter(requests)

    async def send_some() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=url, timeout=ANSWER_SECONDS, trust_env=False
        ) as client:
            return [
                await client.post(INTERACTIONS, json={"events": batch}, headers=headers)
                for batch, headers in waiting
            ]

    sent = await asyncio.gather(*(send_some() for _ in range(CONNECTIONS)))
    return [answer for answers in sent for answer in answers]


def authorization(user: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(user)}"}


def mixed_requests(students: int, count: int) -> Iterator[tuple[list[Json], dict[str, str]]]:
    """Batches of few students and visitors, whose events and ids meet in any order."""
    draw = random.Random(7)
    events = [*range(1, EVENTS + 1), None, UNKNOWN]
    types = ("impression", "impression", "click", "view", "dwell", "register", "search", "filter")
    for _ in range(count):
        batch: list[Json] = [
            {
                "interaction_type": draw.choice(types),
                "event_id": draw.choice(events),
                "client_id": str(UUID(int=draw.randrange(2_000))) if draw.random() < 0.3 else None,
                "meta": {
                    "seconds": draw.randrange(100),
                    "tags": [f"tag {draw.randrange(7)}"],
                    "city": f"city {draw.randrange(6)}",
                },
            }
            for _ in range(draw.randint(1, 20))
        ]
        user = draw.randint(1, students + 10)
        # The one after the students is the organizer.
        is_visitor = user > students + 1
        visitor = {"X-Forwarded-For": f"192.0.2.{draw.randrange(9)}"}
        yield batch, visitor if is_visitor else authorization(user)


def test_mixed_batches_over_many_connections_lose_nothing(site: Site, run: Run) -> None:
    students = 20
    site.write(crowded_world(students))
    site.set(
        analytics_rate_limit=1_000_000,
        recommendations_online_learning_enabled=True,
        recommendations_realtime_refresh_enabled=True,
        recommendations_realtime_refresh_min_interval_seconds=0,
        task_queue_enabled=True,
    )
    requests = list(mixed_requests(students, MIXED_BATCHES))
    with serve(site.database_url, DATABASE_POOL_SIZE=str(CONNECTIONS)) as server:
        answers = run(send_all(server.url, requests))
        log = server.log()
    counts = [taken(answer) for answer in answers]
    stored, repeated, dropped = (sum(count[at] for count in counts) for at in range(3))
    assert site.value(COUNT) == stored
    assert stored + repeated + dropped == sum(len(batch) for batch, _ in requests)
    assert min(stored, repeated, dropped) > 0
    assert "tried again" not in log, "no two of them got into each other's way"
    assert site.value("SELECT count(*) FROM background_jobs") == students


def test_parallel_clicks_of_one_student_are_learned_as_if_one_after_the_other(
    site: Site, run: Run
) -> None:
    students, clicks = 200, 8
    site.write(crowded_world(students))
    site.set(analytics_rate_limit=1_000_000, recommendations_online_learning_enabled=True)
    draw = random.Random(11)
    chosen = {
        student: [draw.randint(1, EVENTS) for _ in range(clicks)]
        for student in range(1, students + 1)
    }
    requests = [
        ([click(event)], authorization(student))
        for student, events in chosen.items()
        for event in events
    ]
    answers = run(send_all(site.server.url, requests))
    assert [taken(answer) for answer in answers] == [(1, 0, 0)] * (students * clicks)
    expected: dict[tuple[str, int, str], float] = {}
    for student, events in chosen.items():
        for event in events:
            for kind, name, delta in features(event):
                key = (kind, student, name)
                expected[key] = expected.get(key, 0) + delta
    learned = rows(
        site,
        """
        SELECT 'tag', t.user_id, g.name, t.score FROM user_implicit_interest_tags AS t
        INNER JOIN tags AS g ON g.id = t.tag_id
        UNION ALL
        SELECT 'category', user_id, category, score FROM user_implicit_interest_categories
        UNION ALL
        SELECT 'city', user_id, city, score FROM user_implicit_interest_cities
        """,
    )
    assert {tuple(row[:3]): row[3] for row in learned} == pytest.approx(expected, abs=1e-9)
