"""The languages a client would like to read, from Accept-Language (RFC 9110, section 12.5.4)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LANGUAGES = 20
READ_BYTES = 1000
"""What comes after these is not read; a browser sends some fifty."""

_RANGE = re.compile(
    r"(?P<tag>[a-z]{1,8}(?:-[a-z0-9]{1,8})*)"
    r"(?:[ \t]*;[ \t]*q[ \t]*=[ \t]*(?P<quality>[01](?:\.[0-9]{0,3})?))?"
)


def accepted_languages(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """Give the wished languages in lower case, best first, each followed by its primary subtag.

    `de-AT, en;q=0.8` gives de-at, de, en. What is no language (`*`, garbage) and what is refused
    (q=0) is left out.
    """
    values = [value for name, value in headers if name == b"accept-language"]
    return _languages(b",".join(values)[:READ_BYTES]) if values else ()


@lru_cache(maxsize=256)
def _languages(header: bytes) -> tuple[str, ...]:
    parts = header.decode("latin-1").lower().split(",")
    if len(header) == READ_BYTES:
        parts.pop()  # cut in the middle
    ranges = [
        (float(match["quality"] or 1), match["tag"])
        for part in parts
        if (match := _RANGE.fullmatch(part.strip(" \t")))
    ]
    ranges.sort(key=lambda item: -item[0])
    languages = {
        language: None
        for quality, tag in ranges
        if 0 < quality <= 1
        for language in (tag, tag.partition("-")[0])
    }
    return tuple(languages)[:MAX_LANGUAGES]
