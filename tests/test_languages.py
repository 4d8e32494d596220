"""Which languages are read out of an Accept-Language header, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.languages import MAX_LANGUAGES, accepted_languages


def languages(*values: bytes) -> list[str]:
    headers = [(b"host", b"x"), *((b"accept-language", value) for value in values)]
    return list(accepted_languages(headers))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"de", ["de"]),
        (b"de-AT", ["de-at", "de"]),
        (b"de-AT, en;q=0.8", ["de-at", "de", "en"]),
        (b"en;q=0.8, ro", ["ro", "en"]),
        (b"en ; q = 0.8 ,\tRO ", ["ro", "en"]),
        (b"de;q=0.5, fr;q=0.5", ["de", "fr"]),
        (b"de-AT, en, de;q=0.1", ["de-at", "de", "en"]),
        (b"zh-Hant-TW", ["zh-hant-tw", "zh"]),
        (b"en;q=0, ro", ["ro"]),
        (b"en;q=1.0, ro;q=1.", ["en", "ro"]),
        (b"*", []),
        (b"*;q=0.5, ro;q=0.1", ["ro"]),
        (b"", []),
        (b",,;q=1,en;q=2,ro;q=-1,de;q=x,fr;q=0.1234,ninecharss,a_b,1", []),
        (b"en\x00, ro", ["ro"]),
        ("română, ro".encode(), ["ro"]),
    ],
)
def test_the_best_language_comes_first_and_each_brings_its_primary_subtag(
    header: bytes, expected: list[str]
) -> None:
    assert languages(header) == expected


def test_no_header_is_no_wish() -> None:
    assert languages() == []


def test_several_headers_count_as_one() -> None:
    assert languages(b"en;q=0.5", b"ro") == ["ro", "en"]


def test_a_huge_header_gives_few_languages_and_none_that_was_cut() -> None:
    header = b",".join(b"%c%c-long" % (97 + i % 26, 97 + i // 26) for i in range(600))
    found = languages(header)
    assert len(found) == MAX_LANGUAGES
    assert all(tag.endswith("-long") or len(tag) == 2 for tag in found)
    assert languages(b"a" * 10_000) == []
    assert languages(b"en," + b" " * 990 + b"romanian") == ["en"]


@given(st.binary(max_size=1500))
def test_whatever_is_sent_gives_few_short_lower_case_tags(header: bytes) -> None:
    found = languages(header)
    assert len(found) <= MAX_LANGUAGES
    assert len(set(found)) == len(found)
    for tag in found:
        assert tag == tag.lower()
        assert tag.isascii()
        assert "\0" not in tag
        assert tag.partition("-")[0] in found or len(found) == MAX_LANGUAGES
