"""Bodies that jsonb cannot hold are refused where they are wrong, and no others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.json_bodies import MAX_LEVELS, find_fault, read_json
from app.api.problems import Problem
from app.database import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]

GOOD = '{"interaction_type": "click"}'


def place(body: str | bytes) -> tuple[int | None, str | None, str]:
    """See that a body is refused, and give index, field and what was expected there."""
    with pytest.raises(Problem) as refusal:
        read_json(body.encode() if isinstance(body, str) else body)
    assert refusal.value.status == 422
    assert refusal.value.errors is not None
    ((index, field, detail),) = [tuple(error.values()) for error in refusal.value.errors]
    assert detail in refusal.value.detail
    return index, field, detail


def batch(*events: str) -> str:
    return f'{{"events": [{", ".join(events)}]}}'


FINE = {
    "nothing of ours": "{}",
    "blanks": ' \t\r\n{"events" : [ ] }\n ',
    "every kind of value": batch('{"meta": {"a": [1, -0.5e3, "x", true, false, null, {}]}}'),
    "escapes": r'{"a": "\"\\\/\b\f\n\r\té"}',
    "a surrogate pair": r'{"a": "\ud83d\ude00"}',
    "escaped backslashes": r'{"a": "\\u0000 \\ud800"}',
    "no character": '{"a": "\ufffe\U0010ffff\x7f"}',
    "a key twice": '{"events": [1], "events": [2]}',
    "the largest number": '{"a": [1.7976931348623157e308, -1.7976931348623157e308]}',
    "the smallest number": '{"a": [5e-324, 0e99999, 0e-16383, 0.0, -0]}',
    "a long number": '{"a": 0.' + "3" * 16_000 + "}",
    "as deep as may be": '{"a":' * MAX_LEVELS + "1" + "}" * MAX_LEVELS,
}


@pytest.mark.parametrize("body", FINE.values(), ids=FINE)
def test_what_jsonb_holds_is_given_as_it_came(body: str) -> None:
    assert read_json(body.encode()) == body


BAD_VALUES = {
    "NaN": "a number",
    "Infinity": "a number",
    "-Infinity": "a number",
    "1e400": "double precision",
    "-1.8e308": "double precision",
    "1e-400": "double precision",
    "0e-16384": "double precision",
    "0e9999999999": "double precision",
    "9" * 400: "double precision",
    "9" * 200_000: "double precision",
    "0." + "0" * 20_000: "double precision",
    r'"\u0000"': "NUL",
    r'{"\u0000": 1}': "NUL",
    r'"x\uD800"': "half of a surrogate pair",
    r'"\ude00\ud83d"': "half of a surrogate pair",
    r'{"\udfff": 1}': "half of a surrogate pair",
    "[" * 1_000 + "]" * 1_000: "levels",
    "[" * 100_000: "levels",
    '{"a":' * 100_000: "levels",
    "01": "JSON",
    "1.": "JSON",
    "+1": "JSON",
    "tru": "JSON",
    "'x'": "JSON",
    "[1,]": "JSON",
    '{"a" 1}': "JSON",
    '{"a": 1,}': "JSON",
    "{1: 2}": "JSON",
    r'"\x"': "JSON",
    r'"\u12"': "JSON",
    '"\t"': "JSON",
    '"\0"': "JSON",
    "\0": "JSON",
    "\ufeff1": "JSON",
    "\xa01": "JSON",
}


@pytest.mark.parametrize(
    ("value", "expected"), BAD_VALUES.items(), ids=[ascii(value)[:20] for value in BAD_VALUES]
)
def test_what_it_cannot_hold_is_named_by_index_and_field(value: str, expected: str) -> None:
    for interaction in (
        f'{{"meta": {value}}}',
        f'{{"x": [{{"meta": 1}}], "meta": {value}, "y": 1}}',
    ):
        index, field, detail = place(batch(GOOD, GOOD, interaction, GOOD))
        assert (index, field) == (2, "meta")
        assert expected in detail


def test_places_outside_of_interactions_are_named_too() -> None:
    assert place(batch(GOOD, "NaN"))[:2] == (1, None)
    assert place(batch(GOOD, "[{'x': 1}]"))[:2] == (1, None)
    assert place(batch(GOOD, '[{"x": NaN}]'))[:2] == (1, None)
    assert place(batch(GOOD, r'{"\u0000": 1}'))[:2] == (1, None)
    assert place(batch(GOOD, r'{"meta": 1, "\u0000": 1}'))[:2] == (1, None)
    assert place('{"events": NaN}')[:2] == (None, "events")
    assert place('{"events": {"meta": NaN}}')[:2] == (None, "events")
    assert place('{"events": [], "other": [{"meta": 1e400}]}')[:2] == (None, "other")
    assert place('{"other": [{"events": [1e400]}]}')[:2] == (None, "other")
    assert place('{"events": []} x')[:2] == (None, None)
    for body in ("", " ", "{", "nothing", '"\0"', "\ufeff{}", "{}{}", "NaN"):
        assert place(body)[:2] == (None, None)
    for body in ("[]", "1", '"x"', "null", "[" * 100_000):
        assert place(body) == (None, None, "expected a JSON object")


def test_a_position_is_said_where_it_is_no_json() -> None:
    assert place("{nope}")[2] == "expected JSON, which this is not from character 1 on"
    assert place('{"é":  nope}')[2] == "expected JSON, which this is not from character 7 on"
    assert place('{"a": 1}  x')[2] == "expected JSON, which this is not from character 10 on"


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80"]
)
def test_bytes_that_are_no_text_are_named_by_place(bad: bytes) -> None:
    body = b'{"events": [{"interaction_type": "click"}, {"meta": {"a": "' + bad + b'"}}]}'
    assert place(body) == (1, "meta", "expected text in UTF-8")
    assert place(bad) == (None, None, "expected text in UTF-8")


def test_a_long_name_of_a_field_is_shortened() -> None:
    field = place(batch(f'{{"{"x" * 1_000_000}": NaN}}'))[1]
    assert field == "x" * 79 + "…"


@pytest.fixture(scope="module")
def connection(empty_database_url: str, run: Run) -> Iterator[Connection]:
    connection = run(connect(empty_database_url))
    yield connection
    run(connection.close())


ODD = st.sampled_from(
    [
        *BAD_VALUES,
        *('"events"', '"meta"', "1e308", "0e-16383", "1e-16383", r'"\ud83d\ude00"', r'"\\u0000"'),
        *("{", "}", "[", "]", ",", ":", '"', "\\", " ", "\n", "-", "0", "é", "\x0b"),
    ]
).filter(lambda text: len(text) < 20_000)
VALUES = st.recursive(
    st.one_of(
        ODD,
        st.integers().map(str),
        st.floats().map(json.dumps),
        st.text().map(json.dumps),
        st.text().map(lambda text: json.dumps(text, ensure_ascii=False)),
    ),
    lambda values: st.one_of(
        st.lists(values, max_size=4).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(ODD, values), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=6,
)


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Something like a batch, with something put into it or taken out of it."""
    keys = st.sampled_from(['"meta"', '"interaction_type"', '"x"'])
    pairs = draw(st.lists(st.tuples(keys, VALUES), max_size=3))
    body = batch("{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}")
    if draw(st.booleans()):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.one_of(ODD, st.just(""))) + body[at + draw(st.integers(0, 1)) :]
    return body


@settings(
    max_examples=600,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=bodies())
def test_what_passes_is_jsonb_and_what_does_not_is_not(
    connection: Connection, run: Run, body: str
) -> None:
    try:
        sent = body.encode()
    except UnicodeEncodeError:
        return
    fault = find_fault(body)
    if fault is None:
        assert read_json(sent) == body
        assert run(is_jsonb(connection, body))
    else:
        assert place(sent) == (fault.index, fault.field, fault.detail)
        numbers_or_levels = "double" in fault.detail or "levels" in fault.detail
        assert numbers_or_levels or not run(is_jsonb(connection, body))


async def is_jsonb(connection: Connection, body: str) -> bool:
    try:
        await connection.fetchval("SELECT $1::jsonb IS NULL", body)
    except asyncpg.PostgresError:
        return False
    return True
