"""The query of /api/events and the ids of paths: values, or all that is wrong at once."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.parameters import (
    EXPECTED,
    MAX_ID,
    NOTHING_ASKED,
    BadParameter,
    EventQuery,
    read_event_query,
    read_id,
)


def read(query: str) -> EventQuery:
    values = read_event_query(parse_qsl(query, keep_blank_values=True))
    assert isinstance(values, EventQuery), values
    return values


def faults(query: str) -> list[BadParameter]:
    wrong = read_event_query(parse_qsl(query, keep_blank_values=True))
    assert isinstance(wrong, list), wrong
    return wrong


def test_an_empty_query_asks_for_the_first_page() -> None:
    assert read("") is NOTHING_ASKED
    assert read("") == EventQuery(include_past=False, page=1, page_size=20)


def test_all_parameters_are_read() -> None:
    assert read(
        "search=+Jazz+&category=Music&city=Cluj&location=hall&tags=jazz&tags=blues"
        "&tags_csv=soul,+funk&start_date=2017-01-01&end_date=2017-01-01&include_past=true"
        "&sort=recommended&page=1000000000&page_size=100"
    ) == EventQuery(
        search="Jazz",
        category="Music",
        city="Cluj",
        location="hall",
        tags=("jazz", "blues", "soul", "funk"),
        start_date=date(2017, 1, 1),
        end_date=date(2017, 1, 1),
        include_past=True,
        sort="recommended",
        page=1_000_000_000,
        page_size=100,
    )


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("blank", ["", "+", "%09", "%C2%A0"])
def test_a_blank_parameter_is_not_given(name: str, blank: str) -> None:
    assert read(f"{name}={blank}&{name}=") is NOTHING_ASKED


def test_unknown_parameters_are_ignored_whatever_they_hold() -> None:
    assert read("page=2&utm_source=%00&utm_source=x&Page=x") == EventQuery(page=2)


def test_a_list_of_tags_may_have_gaps() -> None:
    assert read("tags_csv=,a,,+b+,").tags == ("a", "b")
    assert read("tags_csv=,+,").tags is None


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("FALSE", False), ("0", False)]
)
def test_a_switch_is_true_or_false(text: str, value: bool) -> None:
    assert read(f"include_past={text}").include_past is value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, "x" * 201) for name in ("search", "category", "city", "location")],
        *[(name, "a%00b") for name in ("search", "category", "city", "location", "tags")],
        ("tags", "x" * 101),
        ("tags_csv", f"a,{'x' * 101}"),
        ("tags_csv", "a,%00"),
        ("tags_csv", ",".join("x" * 51)),
        ("start_date", "0000-01-01"),
        ("start_date", "10000-01-01"),
        ("start_date", "2017-02-29"),
        ("start_date", "20170101"),
        ("start_date", "2017-01-01T00:00:00"),
        ("end_date", "1483228800"),
        ("end_date", "tomorrow"),
        ("include_past", "2"),
        ("include_past", "maybe"),
        ("sort", "TIME"),
        ("sort", "rank"),
        ("page", "0"),
        ("page", "-1"),
        ("page", "1000000001"),
        ("page", "1" + "0" * 12),
        ("page", "9" * 5000),
        ("page", "1.0"),
        ("page", "1e3"),
        ("page", "1_0"),
        ("page", "%EF%BC%91"),
        ("page", "NaN"),
        ("page_size", "0"),
        ("page_size", "101"),
        ("page_size", "'; DROP TABLE users; --"),
    ],
)
def test_a_bad_parameter_is_named_with_what_it_takes(name: str, value: str) -> None:
    (fault,) = faults(f"{name}={value}&category=Music" if name != "category" else f"{name}={value}")
    assert fault["parameter"] == name
    assert fault["detail"] == EXPECTED[name]


@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "tags"])
def test_a_parameter_given_twice_is_refused_even_with_one_value(name: str) -> None:
    (fault,) = faults(f"{name}=1&{name}=1")
    assert fault == {
        "parameter": name,
        "detail": "given 2 times, expected once",
        "value": "1, 1",
    }


def test_all_that_is_wrong_is_named_in_one_answer() -> None:
    wrong = faults(
        "search=%00&category=%00&city=%00&location=%00&tags=%00&tags_csv=%00&start_date=x"
        "&end_date=x&include_past=x&sort=x&page=x&page_size=x"
    )
    assert [fault["parameter"] for fault in wrong] == list(EXPECTED)


def test_a_start_after_the_end_names_both_beside_what_else_is_wrong() -> None:
    assert faults("start_date=2017-01-02&end_date=2017-01-01&page=0") == [
        {
            "parameter": "start_date",
            "detail": "expected a day not after end_date",
            "value": "2017-01-02",
        },
        {
            "parameter": "end_date",
            "detail": "expected a day not before start_date",
            "value": "2017-01-01",
        },
        {"parameter": "page", "detail": EXPECTED["page"], "value": "0"},
    ]


def test_fifty_tags_are_taken_and_the_list_that_brings_one_more_is_named() -> None:
    repeated = "&".join(f"tags=t{number}" for number in range(49))
    assert len(read(f"{repeated}&tags_csv=last").tags or ()) == 50
    (fault,) = faults(f"{repeated}&tags_csv=last,one")
    assert (fault["parameter"], fault["value"]) == ("tags_csv", "51 tags")
    wrong = faults(f"{repeated}&tags={'x' * 101}&tags_csv=last,one")
    assert [fault["parameter"] for fault in wrong] == ["tags", "tags_csv"]


def test_a_long_value_is_shortened_in_the_answer() -> None:
    (fault,) = faults(f"search={'é' * 10_000}")
    assert fault["value"] == "é" * 79 + "…"
    (fault,) = faults("sort=" + "x" * 80)
    assert fault["value"] == "x" * 80


@given(st.lists(st.tuples(st.sampled_from([*EXPECTED, "other"]), st.text(max_size=120))))
def test_any_query_gives_values_or_faults_of_known_parameters(pairs: list[tuple[str, str]]) -> None:
    answer = read_event_query(pairs)
    if isinstance(answer, EventQuery):
        texts = (answer.search, answer.category, answer.city, answer.location, *(answer.tags or ()))
        assert all(text is None or (text == text.strip() and "\0" not in text) for text in texts)
    else:
        assert answer
        names = [fault["parameter"] for fault in answer]
        assert names == [name for name in EXPECTED if name in names]
        assert all(len(fault["value"]) <= 80 for fault in answer)


def test_the_sentences_and_the_model_say_the_same_bounds() -> None:
    schema: dict[str, Any] = EventQuery.model_json_schema()["properties"]
    assert [name for name in EXPECTED if name != "tags_csv"] == list(schema)
    for name, property_ in schema.items():
        given_as = property_.get("anyOf", [property_])[0]
        item = given_as.get("items", {})
        for bound in (
            *(given_as.get(key) for key in ("minimum", "maximum", "maxLength", "maxItems")),
            *given_as.get("enum", ()),
            item.get("maxLength"),
        ):
            assert bound is None or str(bound) in EXPECTED[name], name


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("42", 42), (str(MAX_ID), MAX_ID)]
    + [
        (text, None)
        for text in ("0", "-1", "+1", "01", "1.0", "1e3", " 1", "1\n", "abc", "", "\0", "１", "1_0")
    ]
    + [(str(MAX_ID + 1), None), ("1" + "0" * 12, None), ("9" * 5000, None)],
)
def test_an_id_is_a_positive_integer_of_the_database(text: str, number: int | None) -> None:
    assert read_id(text) == number
